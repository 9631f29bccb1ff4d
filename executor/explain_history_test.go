package executor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

func TestTheNumbersOfALaunchPlansHistory(t *testing.T) {
	long(t)
	run(t, func(b *bench) { // a bubble's clock begins at midnight, 2000-01-01
		rules := map[string]spec.Rule{
			"first": when("first", spec.When{Kind: spec.WhenFirstFailure}), "ok": when("ok", spec.When{Kind: spec.WhenRecovered}),
			"silent": when("silent", spec.When{Kind: spec.WhenNoSuccessFor, For: time.Hour}),
			"rate":   when("rate", spec.When{Kind: spec.WhenFailureRate, Rate: &spec.Rate{Of: 4, AtLeast: 2}}),
			"few":    when("few", spec.When{Kind: spec.WhenFailureRate, Rate: &spec.Rate{Of: 20, AtLeast: 5}}),
		}
		b.subscribe(to("s", rules["first"], rules["ok"], rules["silent"], rules["rate"], rules["few"]))
		ask := func(name, rule string) (executor.Facts, string) {
			facts, why, err := executor.Past(b.t.Context(), b.store, "s", rules[rule], executor.Facts{Execution: b.admin.executions[name]}, time.Now())
			require.NoError(b.t, err)
			require.Len(b.t, why, 1)
			return facts, why[0]
		}
		b.admin.set("f0", "RUNNING", of("nightly"), started)
		b.rounds(1)
		_, why := ask("f0", "first")
		require.Equal(b.t, "the subscription knows of no end of an execution of launch plan nightly", why)
		for i, phase := range []string{"SUCCEEDED", "FAILED", "FAILED", "FAILED", "ABORTED"} {
			b.pass(10*time.Minute - time.Duration(time.Now().UnixNano())%(10*time.Minute))
			b.admin.set(fmt.Sprintf("f%d", i), phase, of("nightly"), ends)
			b.pass(40 * time.Second)
		}
		const last = "the last success was 2000-01-01T00:10:00Z, "
		for rule, want := range map[string]string{
			"first": last + "3 failures since, the first 2000-01-01T00:20:00Z", "ok": last + "3 failures since, the first 2000-01-01T00:20:00Z",
			"silent": last + "40m40s ago: fires in 19m20s at 2000-01-01T01:10:00Z unless it succeeds before",
			"rate":   "3 of the last 4 failed; at_least is 2; told, and not again before it was less",
			"few":    "3 of the 4 that are known failed; at_least is 5 of 20",
		} {
			_, why := ask("f3", rule)
			require.Equal(b.t, want, why, rule)
		}
		facts, _ := ask("f1", "first")
		require.Equal(b.t, 1, facts.History.Failures, "as it was at its end")
		require.Equal(b.t, "2000-01-01T00:10:00Z", facts.History.LastSuccess.Format(time.RFC3339))
		require.False(b.t, facts.Recovered)

		b.pass(time.Hour)
		_, why = ask("f3", "silent")
		require.Contains(b.t, why, "1h40m40s ago: told, and not again before the next success")
		b.admin.set("f9", "SUCCEEDED", of("nightly"), ends)
		b.pass(time.Minute)
		facts, why = ask("f9", "ok")
		require.Contains(b.t, why, ", no failure since")
		require.Equal(b.t, 3, facts.History.Failures, "those that it ended")
		facts, _ = ask("f3", "first")
		require.True(b.t, facts.Recovered)
		require.Equal(b.t, 3, facts.History.Failures)
	})
}

// Of a launch plan that fails on and on, fewer ends are kept than it failed.
func TestTheNumbersOfManyFailures(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		rule := when("ok", spec.When{Kind: spec.WhenRecovered})
		b.subscribe(to("s", rule))
		ask := func(name string) (render.History, []string) {
			facts, why, err := executor.Past(b.t.Context(), b.store, "s", rule, executor.Facts{Execution: b.admin.executions[name]}, time.Now())
			require.NoError(b.t, err)
			return facts.History, why[1:]
		}
		fail := func(from, to int) {
			for i := from; i < to; i++ {
				b.admin.set(fmt.Sprintf("f%d", i), "FAILED", of("nightly"), ends)
				b.pass(time.Minute)
			}
		}
		b.admin.set("f0", "SUCCEEDED", of("nightly"), ends)
		b.pass(time.Minute)
		fail(1, 31)
		last, first := b.admin.executions["f0"].EndedAt, b.admin.executions["f1"].EndedAt
		for name, failures := range map[string]int{"f30": 30, "f20": 20, "f12": 12} {
			was, why := ask(name)
			require.Equal(b.t, render.History{Failures: failures, Since: first, LastSuccess: last}, was, name)
			require.Empty(b.t, why)
		}
		b.admin.set("g0", "SUCCEEDED", of("nightly"), ends)
		b.pass(time.Minute)
		was, why := ask("g0")
		require.Equal(b.t, 19, was.Failures)
		require.Equal(b.t, []string{"when it ended, there were at least 19 failures: no earlier end is kept"}, why)
		_, why = ask("f30")
		require.Equal(b.t, []string{"when it ended, there were at least 19 failures: no earlier end is kept"}, why)

		fail(31, 34)
		b.admin.set("g1", "SUCCEEDED", of("nightly"), ends)
		b.pass(time.Minute)
		was, why = ask("g1")
		require.Equal(b.t, 3, was.Failures)
		require.Empty(b.t, why, "all of them are kept")
	})
}

func TestRulesThatAnExecutionDeclares(t *testing.T) {
	t.Parallel()
	x := flyte.Execution{Notifications: []flyte.Notification{
		{Kind: flyte.Email, Phases: []string{"FAILED"}, Recipients: []string{"ada@example.org"}}, {Kind: flyte.Slack, Phases: []string{"SUCCEEDED"}, Recipients: []string{"b@example.org"}},
	}}
	all := executor.Declared(&spec.Honor{Kind: "sendgrid", Connection: "mail"}, x)
	require.Len(t, all, 2)
	require.Equal(t, []string{"launch-plan-email-0", "launch-plan-slack-1"}, []string{all[0].Name, all[1].Name})
	require.Equal(t, "mail", all[1].Send[0].Connection)
}
