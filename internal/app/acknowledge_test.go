package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// reminding reminds in a thread until somebody reacts, and tells the end there.
const reminding = `
subscriptions:
  - name: everywhere
    match: {project: "*", domain: production}
    rules:
      - name: long
        when: {running_for: 200ms}
        send: [{slack: {channel: "#ml", thread: execution}}]
        repeat: {every: 300ms}
      - name: failed
        when: {phase: [FAILED]}
        send: [{slack: {channel: "#ml", thread: execution, broadcast: true}}]
`

func TestAReactionEndsTheRemindersOfAnExecution(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.reactionEndsReminders(w.config(reminding))
}

func TestAReactionEndsTheRemindersOnPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.reactionEndsReminders(w.onPostgres(pgtest.Database(t), reminding))
}

func (w *world) reactionEndsReminders(c *config.Config) {
	t := w.t
	w.flyte.AddProject("ml")
	w.start(c)
	x := flytesim.Execution{ID: execution("f1"), Workflow: "train"}
	w.flyte.Create(x)
	w.flyte.SetPhase(x.ID, "RUNNING")
	messages, err := w.slack.Await(w.context(), "ml", 2)
	require.NoError(t, err)
	require.Contains(t, slacksim.Render(messages[1]), "Reminder 1")
	require.Empty(t, w.slack.React("ml", messages[0].TS, "U7", "eyes"))
	require.Eventually(t, func() bool { return strings.Contains(w.log.String(), `"msg":"acknowledged"`) }, patience, 5*time.Millisecond)
	told := len(w.slack.Messages("ml"))
	w.flyte.SetPhase(x.ID, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
	messages, err = w.slack.Await(w.context(), "ml", told+1)
	require.NoError(t, err)
	require.NoError(t, w.stop())
	require.Len(t, w.slack.Messages("ml"), told+1, "no reminder after the reaction")
	for _, m := range messages[1:] {
		require.Equal(t, messages[0].TS, m.ThreadTS, "all in one thread")
	}
	require.True(t, messages[told].Broadcast)
	require.Contains(t, w.log.String(), "U7 with :eyes:")
}

// escalating tells somebody else as well, unless somebody acknowledges soon.
const escalating = `
delivery: {timeout: 8s}
subscriptions:
  - name: everywhere
    match: {project: "*", domain: production}
    rules:
      - name: long
        when: {running_for: 200ms}
        send: [{slack: {channel: "#ml"}}]
        escalate: [{after: 300ms, send: [{slack: {channel: "#boss"}}]}]
`

func TestAnAckTakesBackAnEscalationThatIsBeingSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ackTakesBack(w.config(escalating))
}

func TestAnAckTakesBackAnEscalationThatIsBeingSentOnPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ackTakesBack(w.onPostgres(pgtest.Database(t), escalating))
}

// ackTakesBack acknowledges while Slack hangs with the escalation. Then Slack is well, and has lost it.
func (w *world) ackTakesBack(c *config.Config) {
	t := w.t
	const post = "chat.postMessage"
	w.slack.Fail(post, slacksim.Fault{Latency: time.Millisecond}) // the first message
	w.slack.Fail(post, slacksim.Fault{Hang: true})
	w.flyte.AddProject("ml")
	w.start(c)
	x := flytesim.Execution{ID: execution("f1"), Workflow: "train"}
	w.flyte.Create(x)
	w.flyte.SetPhase(x.ID, "RUNNING")
	require.NoError(t, w.slack.AwaitCalls(w.context(), post, 2))
	st, err := app.OpenStore(t.Context(), c)
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	n, err := executor.Acknowledge(t.Context(), st, x.ID, time.Now().UTC())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Eventually(t, func() bool {
		_, states, err := st.Counts(t.Context())
		return err == nil && states[store.Pending] == 0
	}, patience, 50*time.Millisecond)
	require.NoError(t, w.stop())
	require.Equal(t, map[store.DeliveryState]int{store.Delivered: 1, store.Superseded: 1}, w.states(c))
	require.Empty(t, w.slack.Messages("boss"))
	require.Equal(t, 2, w.slack.Calls(post))
}
