package app //nolint:testpackage // a file that is written while it is looked at takes a clock of the test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Half of a file may be a valid config, which nobody has written.
func TestAFileIsTakenOnceItIsWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	const text = "admin: {endpoint: \"dns:///flyteadmin:81\"}\n"
	synctest.Test(t, func(t *testing.T) {
		c, problems := config.Parse([]byte(text), nil, notifier.NewRegistry())
		require.Empty(t, problems)
		var taken []int
		s := &server{
			Options:  Options{Config: c, Source: &Source{File: file}, Log: slog.New(slog.DiscardHandler)},
			registry: notifier.NewRegistry(), metrics: prometheus.NewRegistry(),
		}
		r := newReloader(s)
		r.take = func(c *config.Config, _ *notifier.Connections) { taken = append(taken, c.Delivery.MaxAttempts) }
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		write(text)
		running.Go(func() { _ = r.run(ctx) })
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		pass(time.Hour + time.Second)
		for i := range 5 { // a writer that takes its time
			write(text + "delivery: {max_attempts: 1" + string(rune('0'+i)) + "}")
			pass(lookEvery)
		}
		require.Empty(t, taken)
		write(text + "delivery: {max_attempts: 7}")
		pass(2 * lookEvery)
		require.Equal(t, []int{7}, taken)
		pass(time.Hour)
		require.Equal(t, []int{7}, taken, "once")
		cancel()
		running.Wait()
	})
}
