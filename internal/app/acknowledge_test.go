package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
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
