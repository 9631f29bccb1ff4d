package executor

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// benchmark is an executor that goes by many subscriptions, without a store.
func benchmark(b *testing.B, subscriptions []spec.Subscription) *NotifierExecutor {
	b.Helper()
	n := New(Options{
		Registry: notifier.NewRegistry(stdout.Manifest(io.Discard)), Config: Config{NodeCalls: 50},
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	all := make([]subscription, len(subscriptions))
	for i, s := range subscriptions {
		all[i] = newSubscription(s, birth{Born: benchBegin})
	}
	n.subscribed.Store(&all)
	return n
}

var benchBegin = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// thousand are a thousand subscriptions of teams: to a launch plan each, of a few projects, with a label.
func thousand(b *testing.B, match func(i int) spec.Match) []spec.Subscription {
	b.Helper()
	holds, err := spec.Compile(`elapsed > duration("10m") && labels["team"] == "ml"`)
	require.NoError(b, err)
	all := make([]spec.Subscription, 1000)
	send := []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{}`)}}
	for i := range all {
		all[i] = spec.Subscription{Name: fmt.Sprint("s", i), Match: match(i), CatchUp: spec.CatchUpSend, Rules: []spec.Rule{
			{Name: "failed", When: spec.When{Phases: []string{"FAILED", "TIMED_OUT"}}, If: holds, Send: send},
			{Name: "long", When: spec.When{Kind: spec.WhenRunningFor, For: 2 * time.Hour}, Send: send},
		}}
	}
	return all
}

// changed is the i-th of a thousand executions that have failed.
func changed(i int) flyte.Execution {
	return flyte.Execution{
		ID:    flyte.ExecutionID{Scope: flyte.Scope{Project: fmt.Sprint("p", i%20), Domain: "production"}, Name: fmt.Sprint("f", i)},
		Phase: "FAILED", Workflow: "train", LaunchPlan: fmt.Sprint("plan-", i), User: "ada", Trigger: "schedule",
		Labels:    map[string]string{"team": "ml", "tier": "gold"},
		CreatedAt: benchBegin.Add(time.Minute), StartedAt: benchBegin.Add(time.Minute), EndedAt: benchBegin.Add(time.Hour),
	}
}

// BenchmarkSubscriptions is what a thousand subscriptions make of a thousand executions that have failed: which are
// selected, and what their rules tell.
func BenchmarkSubscriptions(b *testing.B) {
	for name, match := range map[string]func(i int) spec.Match{
		"plans": func(i int) spec.Match {
			return spec.Match{Project: fmt.Sprint("p", i%20), Domain: "production", LaunchPlan: fmt.Sprint("plan-", i)}
		},
		"patterns": func(i int) spec.Match {
			return spec.Match{Project: "p*", Domain: "prod*", LaunchPlan: fmt.Sprint("plan-", i, "*"), Labels: map[string]string{"team": "m*"}}
		},
		"everything": func(int) spec.Match { return spec.Match{} },
	} {
		b.Run(name, func(b *testing.B) {
			n := benchmark(b, thousand(b, match))
			all := make([]flyte.Execution, 1000)
			for i := range all {
				all[i] = changed(i)
			}
			now, told := benchBegin.Add(2*time.Hour), 0
			b.ReportAllocs()
			for b.Loop() {
				told = 0
				for _, x := range all {
					for _, set := range n.selected(x) {
						told += len(Advance(Facts{Execution: x}, set.rules, nil, now).Occurrences)
					}
				}
			}
			b.ReportMetric(float64(told), "told")
			require.GreaterOrEqual(b, told, 1000)
		})
	}
}
