package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// off is a server's clock.
func off(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

// openOff opens the store of a server whose clock is off.
func openOff(t *testing.T, url string, clock func() time.Time) *postgres.Store {
	t.Helper()
	s, err := postgres.OpenServer(t.Context(), postgres.Options{URL: url, Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

const five = 5 * time.Minute

func TestClocksThatAreOffShareARate(t *testing.T) {
	t.Parallel()
	url := empty(t)
	rates := []store.Rate{{Bucket: "b", PerSecond: 0.001, Burst: 3}}
	given := 0
	stores := map[time.Duration]*postgres.Store{}
	for _, by := range []time.Duration{five, -five, 0} {
		stores[by] = openOff(t, url, off(by))
		require.InDelta(t, -by, stores[by].Skew(), float64(time.Second))
	}
	for i := range 12 {
		by := []time.Duration{five, -five, 0}[i%3]
		id := fmt.Sprint(i)
		insert(t, stores[by], id)
		wait, err := stores[by].Begin(t.Context(), "d-"+id, 0, off(by)(), rates)
		require.NoError(t, err)
		if wait == 0 {
			given++
		}
	}
	require.Equal(t, 3, given, "a bucket gives no more than it has")
}

func TestClocksThatAreOffShareHolds(t *testing.T) {
	t.Parallel()
	url := empty(t)
	ahead, right := openOff(t, url, off(five)), openAt(t, url)
	insert(t, right, "a")
	insert(t, right, "b")
	now := off(five)()
	_, err := ahead.Begin(t.Context(), "d-a", 0, now, nil)
	require.NoError(t, err)
	require.NoError(t, ahead.Settle(t.Context(), "d-a", store.Outcome{Attempt: 1, State: store.Dead, At: now, Hold: now.Add(time.Minute)}))
	wait, err := right.Begin(t.Context(), "d-b", 0, time.Now(), nil)
	require.NoError(t, err)
	require.InDelta(t, time.Minute, wait, float64(10*time.Second))
}

func TestAnAttemptIsAsOldForEveryClock(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{five, -five} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			url := empty(t)
			right := openAt(t, url)
			insert(t, right, "w")
			began := time.Now()
			_, err := right.Begin(t.Context(), "d-w", 0, began, nil)
			require.NoError(t, err)
			w := &worked{t: t, url: url, clock: off(by)}
			ages := make(chan time.Duration, 100)
			w.store = w.start(url, slog.New(slog.DiscardHandler), func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
				ages <- off(by)().Sub(d.OpenedAt)
				if err := s.Interrupt(ctx, d.ID, d.OpenedAt, off(by)()); err != nil {
					t.Error(err)
				}
				return time.Hour
			})
			require.InDelta(t, 0, <-ages, float64(time.Since(began)+time.Second))
			w.await("interrupted, and due now", func() bool {
				d := read(t, right, "w")
				return d.OpenedAt.IsZero() && time.Since(d.NextAt).Abs() < patient
			})
		})
	}
}

func TestClocksThatAreOffDelayNothing(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{five, -five} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			w := &worked{t: t, url: empty(t), clock: off(by)}
			w.store = w.start(w.url, slog.New(slog.DiscardHandler), func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
				calls.Add(1)
				if strings.HasPrefix(d.WatchID, "retried") && d.LastError == "" { // beyond what River makes available at once
					now := off(by)()
					_ = s.Settle(ctx, d.ID, store.Outcome{State: store.Pending, NextAt: now.Add(7 * time.Second), LastError: "busy", At: now})
					return 7 * time.Second
				}
				_ = s.Settle(ctx, d.ID, delivered())
				return 0
			})
			right := openAt(t, w.url)
			for _, s := range []*postgres.Store{right, w.store} {
				now := time.Now()
				if s == w.store {
					now = off(by)()
				}
				for id, at := range map[string]time.Time{"now": now, "soon": now.Add(time.Second), "retried": now, "later": now.Add(8 * time.Second)} {
					id = fmt.Sprint(id, s == right)
					watch, err := s.Register(t.Context(), testWatch(id))
					require.NoError(t, err)
					d := testDelivery(id)
					d.NextAt = at
					require.NoError(t, s.Move(t.Context(), store.Transition{Watch: watch, Change: store.Change{Deliveries: []store.Delivery{d}}}))
				}
			}
			begin := time.Now()
			w.await("all settled", func() bool { return w.jobs("completed") == 8 })
			require.Greater(t, time.Since(begin), 5*time.Second, "and not before they are due")
			require.Less(t, calls.Load(), int32(12), "nobody looks all the time")
		})
	}
}

func TestAJobTakenFromALiveServerOnlyLooks(t *testing.T) {
	t.Parallel()
	url := empty(t)
	w := &worked{t: t, url: url}
	release, sends := make(chan struct{}), make(chan string, 100)
	do := func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		if !d.OpenedAt.IsZero() {
			sends <- "look"
			return time.Hour // a wish that must not keep the delivery from being sent
		}
		if _, err := s.Begin(ctx, d.ID, d.Attempts, time.Now(), nil); err != nil {
			t.Error(err)
		}
		sends <- "send"
		if d.Attempts > 0 {
			o := delivered()
			o.Attempt = d.Attempts + 1
			_ = s.Settle(ctx, d.ID, o)
			return 0
		}
		<-release
		o := retry(time.Second)
		o.Attempt = 1
		if err := s.Settle(ctx, d.ID, o); err != nil {
			t.Error(err)
		}
		return time.Second
	}
	w.store = w.start(url, slog.New(slog.DiscardHandler), do)
	w.lane("a", 1)
	require.Equal(t, "send", <-sends)
	other := &worked{t: t, url: url}
	other.store = other.start(url, slog.New(slog.DiscardHandler), do)
	conn := connect(t, url)
	for looked := false; !looked; {
		run(t, conn, "UPDATE flyte_notifier.river_job SET state = 'available', scheduled_at = now() WHERE state = 'running'")
		select {
		case what := <-sends:
			require.Equal(t, "look", what)
			looked = true
		case <-time.After(time.Second): // the server at work took it again, and gave it back
		}
	}
	close(release)
	w.await("it is sent when it is due", func() bool { return read(t, w.store, "a").State == store.Delivered })
}

func TestAdoptGivesUpAJobThatNobodyRescues(t *testing.T) {
	t.Parallel()
	url := empty(t)
	s := openAt(t, url)
	insert(t, s, "w")
	const taken = `UPDATE flyte_notifier.river_job SET state = 'running', attempt = 1, attempted_by = '{dead}',
		attempted_at = now() - $1::interval WHERE state <> 'available' OR attempt = 0`
	conn := connect(t, url)
	for _, tc := range []struct {
		ago   string
		given int
	}{{"1 minute", 0}, {"3 minutes", 1}, {"3 minutes", 1}} {
		run(t, conn, taken, tc.ago)
		n, err := s.Adopt(t.Context())
		require.NoError(t, err)
		require.Equal(t, tc.given, n, tc.ago)
	}
	n, err := s.Adopt(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "it has one now")
}

func TestAClockThatIsSetIsCorrectedAndTold(t *testing.T) {
	t.Parallel()
	var by atomic.Int64
	var log safeBuffer
	// A clock that was set has no monotonic reading to go by: the next measurement finds out.
	s, err := postgres.OpenServer(t.Context(), postgres.Options{
		URL: empty(t), Log: slog.New(slog.NewTextHandler(&log, nil)),
		Clock: func() time.Time { return time.Now().Round(0).Add(time.Duration(by.Load())) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.Zero(t, s.Skew(), "what cannot be told from the time that asking takes is nothing")
	by.Store(int64(time.Hour))
	has := func(text string, n int) func() bool {
		return func() bool {
			log.mu.Lock()
			defer log.mu.Unlock()
			return bytes.Count(log.Bytes(), []byte(text)) == n
		}
	}
	require.Eventually(t, has("clock differs", 1), patient, 10*time.Millisecond)
	require.InDelta(t, -time.Hour, s.Skew(), float64(time.Second))
	by.Store(0)
	require.Eventually(t, has("agrees with Postgres' again", 1), patient, 10*time.Millisecond)
	require.Zero(t, s.Skew())
	require.True(t, has("clock differs", 1)())
}

// read is the delivery of a watch.
func read(t *testing.T, s *postgres.Store, watch string) store.Delivery {
	t.Helper()
	all, err := s.WatchDeliveries(context.WithoutCancel(t.Context()), watch)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}
