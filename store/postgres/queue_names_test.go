package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

func TestAConnectionHasItsQueue(t *testing.T) {
	t.Parallel()
	for connection, want := range map[string]string{
		"slack": "slack", "ml-team_2": "ml-team_2", "": "deliveries", "-a": "deliveries", "a__b": "deliveries", "a-": "deliveries",
		strings.Repeat("a", 64): strings.Repeat("a", 64), strings.Repeat("a", 65): "deliveries",
	} {
		require.Equal(t, want, postgres.QueueOf(connection), connection)
	}
}

// fan stores a watch with n deliveries of a connection that wait for nothing, due at once.
func (w *worked) fan(id, connection string, n int) {
	w.t.Helper()
	w.add(id, n, func(i int, d *store.Delivery) { d.Connection, d.Address = connection, fmt.Sprint("#", i) })
}

// TestABusyConnectionHoldsUpNoOther gives one connection more to do than a server does at once.
func TestABusyConnectionHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	busy, release := testLane().Connection, make(chan struct{})
	var started, others atomic.Int32
	w := work(t, func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		if d.Connection == busy {
			started.Add(1)
			<-release
		} else {
			others.Add(1)
		}
		_ = s.Settle(ctx, d.ID, delivered())
		return 0
	})
	const more = 2000
	w.fan("busy", busy, more)
	w.await("some are at work", func() bool { return started.Load() > 100 })
	w.fan("named", "other", 1)
	w.fan("nameless", "", 1)
	w.await("the others are done", func() bool { return others.Load() == 2 })
	require.Less(t, started.Load(), int32(more))
	close(release)
	w.await("all end", func() bool { return w.jobs("completed") == more+2 })
}

// TestABusyLaneHoldsUpNoOther has a message to a quiet channel come behind a thousand to another of its connection.
func TestABusyLaneHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	release, quiet := make(chan struct{}), make(chan int32, 1)
	var started atomic.Int32
	w := work(t, func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		if n := started.Add(1); d.WatchID == "quiet" {
			quiet <- n
		} else {
			<-release
		}
		_ = s.Settle(ctx, d.ID, delivered())
		return 0
	})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	const flood = 1000
	var watches errgroup.Group
	for i := range flood {
		watches.Go(func() error {
			id := fmt.Sprint("flood", i)
			return add(t.Context(), w.store, id, testDelivery(id))
		})
	}
	require.NoError(t, watches.Wait())
	w.await("all workers are at work", func() bool { return started.Load() == postgres.MaxWorkers })
	w.fan("quiet", testLane().Connection, 1)
	release <- struct{}{}
	w.await("the quiet one has its turn", func() bool { return len(quiet) > 0 })
	require.EqualValues(t, postgres.MaxWorkers+1, <-quiet, "it is the next")
	let()
	w.await("all end", func() bool { return w.jobs("completed") == flood+1 })
}

// TestDeliveriesOfAConnectionThatIsGone are told to any server, but not while one works for the connection.
func TestDeliveriesOfAConnectionThatIsGone(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	do := func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		calls.Add(1)
		_ = s.Settle(ctx, d.ID, store.Outcome{State: store.Dead, At: time.Now()})
		return 0
	}
	w := &worked{t: t, url: pgtest.Database(t)}
	w.store = w.start(w.url, slog.New(slog.DiscardHandler), do)
	conn := connect(t, w.url)
	const queues = "INSERT INTO flyte_notifier.river_queue (name, metadata, created_at, updated_at) VALUES ('elsewhere', '{}', now(), now())"
	run(t, conn, queues)
	w.fan("gone", "gone", 1)
	w.fan("elsewhere", "elsewhere", 1)
	require.NoError(t, w.store.Rehome(t.Context()))
	require.Equal(t, 2, w.jobs("available"), "they are not overdue")
	run(t, conn, "UPDATE flyte_notifier.river_job SET scheduled_at = now() - interval '2 minutes'")
	rehome := func() bool { return assert.NoError(t, w.store.Rehome(t.Context())) } // again if another looks just then
	w.await("one is handed out", func() bool { return rehome() && w.jobs("completed") == 1 })
	require.Equal(t, 1, w.jobs("available"), "another server works for it")
	run(t, conn, "UPDATE flyte_notifier.river_queue SET updated_at = now() - interval '26 minutes' WHERE name = 'elsewhere'")
	w.await("both are handed out", func() bool { return rehome() && w.jobs("completed") == 2 })
	require.EqualValues(t, 2, calls.Load())
}
