package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// off is the store as a server has it whose clock is off: all times between the two are of that clock.
type off struct {
	*postgres.Store
	by time.Duration
}

func (s off) shift(t time.Time, by time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(by)
}

func (s off) Begin(ctx context.Context, id string, attempts int, now time.Time, rates []store.Rate) (time.Duration, error) {
	return s.Store.Begin(ctx, id, attempts, now.Add(s.by), rates)
}

func (s off) Settle(ctx context.Context, id string, o store.Outcome) error {
	o.NextAt, o.Hold, o.At = s.shift(o.NextAt, s.by), s.shift(o.Hold, s.by), o.At.Add(s.by)
	return s.Store.Settle(ctx, id, o)
}

func (s off) Interrupt(ctx context.Context, id string, opened, now time.Time) error {
	return s.Store.Interrupt(ctx, id, opened.Add(s.by), now.Add(s.by))
}

func (s off) Work(
	ctx context.Context, connections []string, grace time.Duration, do func(context.Context, store.Delivery) time.Duration,
) error {
	return s.Store.Work(ctx, connections, grace, func(ctx context.Context, d store.Delivery) time.Duration {
		d.NextAt, d.OpenedAt = s.shift(d.NextAt, -s.by), s.shift(d.OpenedAt, -s.by)
		return do(ctx, d)
	})
}

// startOff starts a server whose clock is off.
func (w *servers) startOff(by time.Duration) {
	s, err := postgres.OpenServer(w.t.Context(), postgres.Options{URL: w.url, Clock: func() time.Time { return time.Now().Add(by) }})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	outbox := delivery.New(delivery.Options{
		Store: off{Store: s, by: by}, Registry: w.registry, Connections: notifier.NewConnections(w.conns, nil),
		Config: w.config, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := outbox.Run(ctx); err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(func() {
		cancel()
		wg.Wait()
		_ = s.Close()
	})
}

func TestServersWhoseClocksAreOffSendOnceAndInTime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	sent, retried := map[string]int{}, map[string]bool{}
	service := &service{send: func(ctx context.Context, _ *place, m notifier.Message) error {
		mu.Lock()
		sent[m.Key]++
		first := !retried[m.Key]
		retried[m.Key] = true
		mu.Unlock()
		if first && m.Key[0] == 'r' {
			return notifier.RetryAfter(time.Second, fmt.Errorf("busy"))
		}
		select { // long enough for jobs to be taken from who is at work on them
		case <-ctx.Done():
		case <-time.After(1500 * time.Millisecond):
		}
		return nil
	}}
	w := onPostgres(t, service)
	for _, by := range []time.Duration{5 * time.Minute, -5 * time.Minute, 0} {
		w.startOff(by)
	}
	begin := time.Now()
	var ids []string
	for i := range 6 {
		ids = append(ids, w.add(fmt.Sprint("s", i), fmt.Sprint("#s", i))...)
		ids = append(ids, w.add(fmt.Sprint("r", i), fmt.Sprint("#r", i))...)
	}
	for range 3 { // as River's rescuer does at a leader whose clock is ahead
		<-time.After(300 * time.Millisecond)
		w.exec("UPDATE flyte_notifier.river_job SET state = 'available', scheduled_at = now() WHERE state = 'running'")
	}
	w.awaitDelivered(60*time.Second, ids...)
	require.Less(t, time.Since(begin), 45*time.Second, "nobody waits for a clock")
	mu.Lock()
	defer mu.Unlock()
	for _, id := range ids {
		want := 1
		if id[0] == 'r' {
			want = 2
		}
		require.Equal(t, want, sent[id], id)
	}
}
