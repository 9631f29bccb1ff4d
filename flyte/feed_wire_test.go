package flyte_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// TestAFeedOverTheWire follows an execution by real gRPC and real time, over a restart of flyteadmin.
func TestAFeedOverTheWire(t *testing.T) {
	t.Parallel()
	sim := flytesim.New()
	sim.Create(trained("a"))
	endpoint, stop, err := sim.Start("127.0.0.1:0")
	require.NoError(t, err)
	client := dial(t, section(t, map[string]any{"endpoint": endpoint, "insecure": true, "maxBackoffDelay": "20ms"}))

	w := &world{t: t, phases: map[string]string{}, list: client.List}
	w.watch("a")
	cfg := flyte.FeedConfig{Interval: 10 * time.Millisecond, Sweep: time.Second}
	w.feed = flyte.NewFeed(client, w, w, cfg, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.feed.Run(ctx, whole, w.tenure()) }()
	told := func(phase string) func() bool {
		return func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.phases["a"] == phase
		}
	}
	require.Eventually(t, told("UNDEFINED"), 20*time.Second, 5*time.Millisecond)
	sim.SetPhase(execution("a"), "RUNNING")
	require.Eventually(t, told("RUNNING"), 20*time.Second, 5*time.Millisecond)
	stop()
	require.Eventually(t, func() bool { return !w.feed.Stats().FailingSince.IsZero() }, 20*time.Second, 5*time.Millisecond)
	sim.Abort(execution("a"), "ada", "enough")
	_, stop, err = sim.Start(strings.TrimPrefix(endpoint, "dns:///"))
	require.NoError(t, err)
	defer stop()
	require.Eventually(t, told("ABORTING"), 60*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}
