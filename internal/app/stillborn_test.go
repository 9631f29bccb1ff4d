package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestWhatIsDeadFromTheStartIsCountedAndTold like what dies of a service's answer: nothing is sent, and no outbox sees it.
func TestWhatIsDeadFromTheStartIsCountedAndTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config(withOperators)
	w.start(c)
	x := w.run("f1")
	_, err := w.agent.CreateTask(w.context(), w.request(w.run("f2"), "notification", object{
		"watch": object{"execution": object{"name": "f1"}},
		"rules": list{object{"when": object{"phase": list{"FAILED"}}, "send": list{object{"sendgrid": object{"to": list{"{{.Labels.owner}}"}}}}}},
	}))
	require.NoError(t, err)
	w.flyte.SetPhase(x, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
	messages, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	require.Contains(t, messages[0].Text, "1 message could not be delivered")
	w.awaitPage(`flyte_notifier_deliveries_settled_total{notifier="sendgrid",state="dead"} 1`)
	require.NoError(t, w.stop())
	require.Equal(t, 1, w.states(c)[store.Dead])
}
