package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// subscribed are subscriptions of all kinds of conditions.
const subscribed = `
subscriptions:
  - name: everywhere
    match: {project: "*", domain: production}
    honor_launch_plan_notifications: true
    rules:
      - {name: failed, when: {phase: [FAILED]}, if: 'labels["team"] == "ml"', send: [{slack: {channel: "#ml"}}]}
      - {name: long, when: {running_for: 300ms}, send: [{slack: {channel: "#ml"}}], repeat: {every: 300ms, max: 2}}
      - {name: gate, when: {gate: waiting}, send: [{slack: {channel: "#ml"}}]}
      - {name: back, when: {recovered: true}, send: [{slack: {channel: "#ml"}}]}
`

func TestSubscriptionsTellOfExecutionsThatNobodyRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscriptionsTell(w.config(subscribed))
}

func TestSubscriptionsOnPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscriptionsTell(w.onPostgres(pgtest.Database(t), subscribed))
}

func (w *world) subscriptionsTell(c *config.Config) {
	t := w.t
	w.flyte.AddProject("ml")
	w.start(c)
	begin := func(name string, edit func(*flytesim.Execution)) flyte.ExecutionID {
		x := flytesim.Execution{ID: execution(name), Workflow: "train", User: "ada", Labels: map[string]string{"team": "ml"}}
		if edit != nil {
			edit(&x)
		}
		w.flyte.Create(x)
		w.flyte.SetPhase(x.ID, "RUNNING")
		return x.ID
	}
	await := func(n int, text string) {
		t.Helper()
		messages, err := w.slack.Await(w.context(), "ml", n)
		require.NoError(t, err)
		require.Contains(t, slacksim.Render(messages[n-1]), text)
	}
	f1 := begin("f1", nil)
	await(1, "train has been running for 300ms")
	await(3, "Reminder 2: train has been running for 300ms")
	w.flyte.WaitAtGate(f1, "n1", "ship-it", "boolean")
	await(4, "ship-it")
	w.flyte.SetPhase(f1, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
	await(5, "out of memory")

	f2 := begin("f2", func(x *flytesim.Execution) {
		x.Notifications = []flyte.Notification{{Kind: flyte.Email, Phases: []string{"SUCCEEDED"}, Recipients: []string{"team@example.org"}}}
	})
	w.flyte.SetPhase(f2, "SUCCEEDED")
	await(6, "train has recovered")
	mails, err := w.mail.WaitMails(w.context(), 1)
	require.NoError(t, err)
	require.Contains(t, mails[0].Text, "SUCCEEDED")

	f3 := begin("f3", func(x *flytesim.Execution) { x.Labels = nil })
	w.flyteFails(f3)
	require.NoError(t, w.stop())
	require.Len(t, w.slack.Messages("ml"), 6)
	require.Len(t, w.mail.Mails(), 1)
	require.NotContains(t, strings.ToLower(w.log.String()), `"level":"error"`)
}

func TestSubscriptionsAreReloadedAndABrokenRuleIsShown(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.flyte.AddProject("ml")
	w.start(w.config())
	w.flyteFails(w.run("f1"))
	w.edit(`
subscriptions:
  - name: everywhere
    match: {domain: production}
    rules:
      - {name: broken, when: {phase: [FAILED]}, if: 'labls["x"] == ""', send: [{slack: {channel: "#ml"}}]}
      - {name: failed, when: {phase: [FAILED]}, send: [{slack: {channel: "#ml"}}]}`)
	w.awaitTaken()
	const problem = `subscriptions[0].rules[0].if: unknown variable "labls", did you mean "labels"?`
	code, body := w.page("/readyz")
	require.Equal(t, 200, code)
	require.Contains(t, body, problem)
	_, body = w.page("/metrics")
	require.Contains(t, body, "flyte_notifier_subscription_problems 1\n")
	require.Contains(t, w.log.String(), "rule is left out")

	n := 0
	require.Eventually(t, func() bool { // the store takes the subscription up a moment later
		n++
		w.flyteFails(w.run(fmt.Sprintf("g%d", n)))
		return len(w.slack.Messages("ml")) > 0
	}, patience, 20*time.Millisecond)
	for _, m := range w.slack.Messages("ml") {
		require.NotContains(t, slacksim.Render(m), "f1", "it was there before the subscription")
	}
}
