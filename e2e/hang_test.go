package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The store's disk hangs: nothing can be read or written, and nothing fails either. FlytePropeller is
// still answered in time: polls are "still running", new tasks "unavailable".
func TestStoreHangs(t *testing.T) {
	w := newWorld(t)
	w.start()
	nightly := w.elsewhere("nightly-2")
	waits := w.run("waits", waiting("watch", nightly))
	w.awaitSaved(waits, "watch")

	unlock, err := w.agent.LockStore()
	require.NoError(t, err)
	tell := notification("tell", selfWatch("SUCCEEDED"))
	tell.Retries = 20
	late := w.run("late", tell)
	w.eventually("a new task is refused", func() bool { return len(w.toAgent.Faults("CreateTask")) > 1 })
	w.stillPolled(2)
	w.probes(http.StatusOK, http.StatusServiceUnavailable)
	require.NoError(t, unlock())
	w.refusedInTime()
	w.awaitPhase(late, "SUCCEEDED")
	w.probes(http.StatusOK, http.StatusOK)
	w.flyte.SetPhase(nightly, "FAILED")
	w.awaitPhase(waits, "SUCCEEDED")
	w.awaitSlack(2)
	w.awaitMail(2)
	require.Len(t, w.settled(4), 4)
	require.Len(t, w.said(""), 2)
	require.Len(t, w.mail.Mails(), 2)
}
