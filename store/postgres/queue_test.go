package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// patient is what a busy machine may need for what takes milliseconds.
const patient = 20 * time.Second

// worked is a queue at work.
type worked struct {
	t     *testing.T
	store *postgres.Store
	url   string
	stop  func() // and waits for the work under way
	clock func() time.Time

	mu   sync.Mutex
	conn *pgx.Conn // beneath the store
}

// work opens a store on a new database and works on its deliveries.
func work(t *testing.T, do func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration) *worked {
	w := &worked{t: t, url: pgtest.Database(t)}
	w.store = w.start(w.url, slog.New(slog.DiscardHandler), do)
	return w
}

func (w *worked) start(url string, log *slog.Logger, do func(context.Context, *postgres.Store, store.Delivery) time.Duration) *postgres.Store {
	s, err := postgres.OpenServer(w.t.Context(), postgres.Options{URL: w.url, LockURL: url, Log: log, Clock: w.clock})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Work(ctx, []string{testLane().Connection, "other"}, time.Second, func(ctx context.Context, d store.Delivery) time.Duration { return do(ctx, s, d) })
		if err != nil {
			w.t.Errorf("work: %v", err)
		}
	})
	w.stop = func() { cancel(); wg.Wait() }
	w.t.Cleanup(func() {
		w.stop()
		_ = s.Close()
	})
	return s
}

// lane stores a watch with deliveries of one lane, due at once.
func (w *worked) lane(id string, n int) (ids []string) {
	w.t.Helper()
	return w.add(id, n, func(int, *store.Delivery) {})
}

// add stores a watch with n deliveries, each changed as told.
func (w *worked) add(id string, n int, change func(i int, d *store.Delivery)) (ids []string) {
	w.t.Helper()
	var all []store.Delivery
	for i := range n {
		d := testDelivery(id)
		d.ID = fmt.Sprint(id, "-", i)
		d.Key = d.ID
		change(i, &d)
		all, ids = append(all, d), append(ids, d.ID)
	}
	require.NoError(w.t, add(w.t.Context(), w.store, id, all...))
	return ids
}

// jobs returns how many jobs there are in the states.
func (w *worked) jobs(states ...string) int {
	return w.count("SELECT count(*) FROM flyte_notifier.river_job WHERE state::text = ANY($1)", states)
}

func (w *worked) count(query string, args ...any) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == nil {
		w.conn = connect(w.t, w.url)
	}
	return value[int](w.t, w.conn, query, args...)
}

func (w *worked) await(what string, so func() bool) {
	w.t.Helper()
	require.Eventually(w.t, so, patient, 10*time.Millisecond, what)
}

func delivered() store.Outcome {
	now := time.Now().UTC()
	return store.Outcome{State: store.Delivered, At: now, Event: store.Event{At: now, Kind: "delivered"}}
}

func retry(after time.Duration) store.Outcome {
	now := time.Now().UTC()
	return store.Outcome{State: store.Pending, NextAt: now.Add(after), LastError: "busy", At: now}
}

func TestWorkHandsOutOneOfALaneAfterTheOther(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	w := work(t, func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		mu.Lock()
		order = append(order, d.ID)
		mu.Unlock()
		if err := s.Settle(ctx, d.ID, delivered()); err != nil {
			t.Error(err)
		}
		return 0
	})
	ids := w.lane("a", 5)
	w.await("all settled", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(order) == 5
	})
	require.Equal(t, ids, order)
	w.await("no job is left", func() bool { return w.jobs("completed") == 5 && w.store.Working() == 0 })
}

func TestAJobIsCompletedTogetherWithItsDelivery(t *testing.T) {
	t.Parallel()
	states := make(chan string, 1)
	var w *worked
	ready := make(chan struct{})
	w = work(t, func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		<-ready
		err := s.Settle(ctx, d.ID, delivered())
		states <- fmt.Sprint(w.jobs("completed"), w.jobs("running"), s.Working(), err)
		return 0
	})
	w.lane("a", 1)
	close(ready)
	require.Equal(t, "1 0 1 <nil>", <-states)
}

func TestADeliveryComesBackWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	calls := make(chan time.Time, 10)
	w := work(t, func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		calls <- time.Now()
		if len(calls) > 1 {
			_ = s.Settle(ctx, d.ID, delivered())
			return 0
		}
		_ = s.Settle(ctx, d.ID, retry(time.Second))
		return time.Second
	})
	ids := w.lane("a", 1)
	w.await("settled", func() bool { return len(calls) == 2 })
	first, second := <-calls, <-calls
	require.GreaterOrEqual(t, second.Sub(first), 990*time.Millisecond)
	require.Less(t, second.Sub(first), 5*time.Second)
	w.await("completed", func() bool { return w.jobs("completed") == 1 })
	require.NotEmpty(t, ids)
}

func TestAJobThatHasNothingToDoEnds(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	w := work(t, func(context.Context, *postgres.Store, store.Delivery) time.Duration {
		calls.Add(1)
		return time.Second
	})
	w.lane("a", 1)
	w.await("handed out", func() bool { return calls.Load() > 0 })
	require.NoError(t, w.store.Settle(t.Context(), "a-0", delivered())) // by somebody else
	run(t, connect(t, w.url), `INSERT INTO flyte_notifier.river_job (args, kind, max_attempts, queue, state, priority)
		SELECT jsonb_build_object('id', id), 'delivery', 3, 'deliveries', 'available', 1 FROM unnest(ARRAY['a-0', 'gone']) id`)
	w.await("all end", func() bool { return w.jobs("available", "running", "scheduled", "retryable") == 0 })
	require.Zero(t, w.store.Working())
}

func TestTwoJobsOfADeliveryAreNotAtWorkTogether(t *testing.T) {
	t.Parallel()
	var calls, under, most atomic.Int32
	release := make(chan struct{})
	w := work(t, func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		calls.Add(1)
		most.Store(max(most.Load(), under.Add(1)))
		defer under.Add(-1)
		<-release
		_ = s.Settle(ctx, d.ID, delivered())
		return 0
	})
	w.lane("a", 1)
	run(t, connect(t, w.url), `INSERT INTO flyte_notifier.river_job (args, kind, max_attempts, queue, state, priority)
		SELECT '{"id": "a-0"}', 'delivery', 3, 'deliveries', 'available', 1 FROM generate_series(1, 5)`)
	w.await("both are fetched", func() bool { return w.jobs("running") >= 1 && calls.Load() == 1 })
	close(release)
	w.await("all end", func() bool { return w.jobs("completed") == 6 })
	require.EqualValues(t, 1, calls.Load())
	require.EqualValues(t, 1, most.Load())
}

func TestAStopGivesJobsBack(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 10)
	w := work(t, func(ctx context.Context, _ *postgres.Store, _ store.Delivery) time.Duration {
		begun <- struct{}{}
		<-ctx.Done()
		return 0
	})
	w.lane("a", 1)
	<-begun
	at := time.Now()
	w.stop()
	require.GreaterOrEqual(t, time.Since(at), 900*time.Millisecond, "the grace is given")
	require.Equal(t, 1, w.jobs("available"))
	w.start(w.url, slog.New(slog.DiscardHandler), func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		_ = s.Settle(ctx, d.ID, delivered())
		return 0
	})
	w.await("another server takes over", func() bool { return w.jobs("completed") == 1 })
}

func TestBehindAPoolerJobsAreFound(t *testing.T) {
	t.Parallel()
	w := &worked{t: t, url: pgtest.Database(t)}
	w.store = w.start(w.url+"&application_name=direct", slog.New(slog.DiscardHandler),
		func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
			_ = s.Settle(ctx, d.ID, delivered())
			return 0
		})
	w.lane("a", 3)
	w.await("all settled", func() bool { return w.jobs("completed") == 3 })
	require.Zero(t, w.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"))
}

// safeBuffer is a log that a test reads while it is written.
type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) lines() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.Bytes(), []byte("\n"))
}

func TestAnOutageIsToldQuietlyAndSurvived(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{NoSync: true})
	var log safeBuffer
	w := &worked{t: t, url: server.Database(t)}
	var calls atomic.Int32
	w.store = w.start(w.url, slog.New(slog.NewTextHandler(&log, nil)), func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		calls.Add(1)
		if err := s.Settle(ctx, d.ID, delivered()); err != nil {
			return time.Second
		}
		return 0
	})
	w.lane("a", 1)
	w.await("handed out", func() bool { return calls.Load() == 1 })
	require.NoError(t, server.Stop(pgtest.Immediate))
	<-time.After(3 * time.Second)
	require.NoError(t, server.Start(t.Context()))
	back := time.Now()
	w.await("the store is back", func() bool {
		_, err := w.store.Register(t.Context(), testWatch("b"))
		return err == nil
	})
	w.await("handed out again", func() bool {
		watch, err := w.store.Watch(t.Context(), "b")
		d := testDelivery("b")
		return errors.Join(err, w.store.Move(t.Context(), store.Transition{Watch: watch, Change: store.Change{Deliveries: []store.Delivery{d}}})) == nil
	})
	w.await("handed out again", func() bool { return calls.Load() >= 2 })
	require.Less(t, time.Since(back), 10*time.Second)
	require.Positive(t, log.lines(), "an outage is told")
	require.Less(t, log.lines(), 30, "once each")
}
