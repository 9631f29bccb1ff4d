package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/jobs"
)

func TestFastSuccessIsTold(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.run("succeeds", notification("tell", selfWatch("SUCCEEDED")), job("train", "tell"))
	w.awaitPhase(id, "SUCCEEDED")
	_, mail := w.toldOnce("SUCCEEDED", "succeeds", "train")
	require.Contains(t, mail.HTML, "https://flyte.example.org/console/projects/ml/domains/production/executions/succeeds")
	require.Contains(t, w.jobs.Created(), "train")
	require.Len(t, w.tasks("CreateTask"), 1)
	require.Empty(t, w.toAgent.Calls("DeleteTask"))
}

func TestFastFailureIsToldWithItsError(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.jobs.Set("train", jobs.Failed("the loss is <NaN> & rising"))
	id := w.run("fails", notification("tell", selfWatch("FAILED", "TIMED_OUT")), job("train", "tell"))
	w.awaitPhase(id, "FAILED")
	_, mail := w.toldOnce("FAILED", "fails", "the loss is <NaN> & rising")
	require.Contains(t, mail.HTML, "the loss is &lt;NaN&gt; &amp; rising")
}

func TestFastAbortIsToldWithItsCause(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.jobs.Set("train", jobs.Hanging)
	id := w.run("aborted", notification("tell", selfWatch("ABORTED")), job("train", "tell"))
	w.awaitSaved(id, "train")
	w.terminate(id, "no longer needed")
	w.awaitPhase(id, "ABORTED")
	w.toldOnce("ABORTED", "aborted", "no longer needed")
	require.Contains(t, w.jobs.Deleted(), "train")
}

// Other phases than the rule's say nothing, though the watch goes through them.
func TestFastOtherPhasesAreNotTold(t *testing.T) {
	w := newWorld(t)
	w.start()
	rules := list{rule("FAILED"), rule("SUCCEEDED")}
	id := w.run("succeeds", notification("tell", object{"rules": rules}), job("train", "tell"))
	w.awaitPhase(id, "SUCCEEDED")
	w.toldOnce("SUCCEEDED")
}
