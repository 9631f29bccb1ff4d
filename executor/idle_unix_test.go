//go:build unix

package executor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// BenchmarkIdle is what subscriptions cost while nothing changes, at the default pace in real time: an operation is
// a second. Run it with -benchtime 60x.
func BenchmarkIdle(b *testing.B) {
	for _, n := range []int{0, 1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { idle(b, n) })
	}
}

func idle(b *testing.B, subscriptions int) {
	ctx, cancel := context.WithCancel(b.Context())
	s, err := sqlite.Open(ctx, filepath.Join(b.TempDir(), "notifier.db"))
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	exec := executor.New(executor.Options{
		Store: s, Registry: notifier.NewRegistry(stdout.Manifest(io.Discard)),
		Admin: &fakeAdmin{executions: map[string]flyte.Execution{}, nodes: map[string]flyte.Node{}, reads: map[string]int{}},
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: interval, Sweep: 5 * time.Minute, Overlap: 15 * time.Second, Batch: 100},
			NodeInterval: 10 * time.Second, NodeCalls: 50, Discovery: 30 * time.Second,
		},
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	var all []spec.Subscription
	for i := range subscriptions {
		all = append(all, spec.Subscription{
			Name: fmt.Sprint("s", i), Match: spec.Match{Project: fmt.Sprint("p", i%20), Domain: "production", LaunchPlan: fmt.Sprint("plan-", i)},
			CatchUp: spec.CatchUpSend, Rules: []spec.Rule{{
				Name: "failed", When: spec.When{Phases: []string{"FAILED"}}, Send: []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{}`)}},
			}},
		})
	}
	require.NoError(b, exec.Subscribe(ctx, executor.Rules{Subscriptions: all}))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := exec.Run(ctx); err != nil {
			b.Errorf("run: %v", err)
		}
	})
	defer wg.Wait()
	defer cancel()
	<-time.After(3 * interval) // until it has begun
	began, seconds := cpu(b), 0
	for b.Loop() {
		<-time.After(time.Second)
		seconds++
	}
	b.ReportMetric(float64((cpu(b)-began).Microseconds())/1000/float64(seconds), "cpu-ms/s")
}

// cpu is the time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
