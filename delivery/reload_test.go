package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// only is a set of one connection.
func only(c notifier.Connection) *notifier.Connections {
	return notifier.NewConnections([]*notifier.Connection{&c}, nil)
}

// slowly is one message an hour to each destination.
func slowly() notifier.Rate { return notifier.Rate{PerSecond: 1.0 / 3600, Burst: 1} }

// seen is how long it takes at most until what waits goes by other terms: where deliveries are handed out it
// comes back by and by.
func (b *bench) seen() time.Duration {
	if b.queue != nil {
		return 6 * time.Minute
	}
	return time.Second
}

// waiting returns the one of two deliveries that got no token.
func (b *bench) waiting(ids ...string) string {
	var pending []string
	for _, id := range ids {
		if b.get(id).State == store.Pending {
			pending = append(pending, id)
		}
	}
	require.Len(b.t, pending, 1)
	return pending[0]
}

func TestAReloadedRateHoldsForWhatWaits(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = slowly()
		b.start()
		ids := append(b.add("w1", "#a"), b.add("w2", "#a")...)
		b.pass(time.Second)
		late := b.waiting(ids...)
		b.outbox.Reload(only(notifier.Connection{Name: "team", Kind: "chat", Notifier: s, Rate: notifier.Rate{PerSecond: 10, Burst: 1}}), b.config)
		b.pass(b.seen())
		require.Equal(b.t, store.Delivered, b.get(late).State)
		b.outbox.Reload(only(notifier.Connection{Name: "team", Kind: "chat", Notifier: s, Rate: slowly()}), b.config)
		ids = append(b.add("w3", "#a"), b.add("w4", "#a")...)
		b.pass(10 * time.Minute)
		b.waiting(ids...)
	})
}

// What waits for its rate must not go out through a connection that was taken away meanwhile.
func TestWhatWaitsIsJudgedAnew(t *testing.T) {
	s := &service{}
	for name, test := range map[string]struct {
		next notifier.Connection
		want string
	}{
		"removed":               {notifier.Connection{Name: "other"}, `unknown connection "team"`},
		"destination forbidden": {notifier.Connection{Name: "team", Allow: notifier.Allow{Destinations: []string{"#b"}}}, "does not allow destination #a"},
		"scope forbidden":       {notifier.Connection{Name: "team", Allow: notifier.Allow{Scopes: []string{"x/y"}}}, "does not allow scope ml/production"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, s, func(b *bench) {
				b.conns[0].Rate = slowly()
				b.start()
				ids := append(b.add("w1", "#a"), b.add("w2", "#a")...)
				b.pass(time.Second)
				late := b.waiting(ids...)
				test.next.Kind, test.next.Notifier = "chat", s
				b.outbox.Reload(only(test.next), b.config)
				b.pass(b.seen())
				require.Equal(b.t, store.Dead, b.get(late).State)
				require.Contains(b.t, b.get(late).LastError, test.want)
			})
		})
	}
}

// What waits for a place, since a service hangs, does not get it under terms that are over.
func TestWhatWaitsForAPlaceIsJudgedAnew(t *testing.T) {
	long(t)
	var free chan struct{} // of the bubble
	s := &service{send: func(context.Context, *place, notifier.Message) error { <-free; return nil }}
	run(t, s, func(b *bench) {
		free = make(chan struct{})
		b.config.Timeout, b.config.MaxAge = time.Hour, 24*time.Hour
		b.start()
		var ids []string
		for i := range 640 {
			ids = append(ids, b.add(fmt.Sprint("w", i), fmt.Sprint("#", i%40))...)
		}
		b.pass(10 * time.Second)
		begun := 0
		for _, id := range ids {
			begun += b.get(id).Attempts
		}
		require.Less(b.t, begun, len(ids))
		b.outbox.Reload(only(notifier.Connection{Name: "other", Kind: "chat", Notifier: s}), b.config)
		close(free)
		b.pass(b.seen())
		require.Len(b.t, s.sent(), begun, "those that had begun")
		states := map[store.DeliveryState]int{}
		for _, id := range ids {
			states[b.get(id).State]++
		}
		require.Equal(b.t, map[store.DeliveryState]int{store.Delivered: begun, store.Dead: len(ids) - begun}, states)
	})
}

func TestACallUnderWayEndsAsItBegan(t *testing.T) {
	var free chan struct{} // of the bubble
	before := &service{send: func(ctx context.Context, _ *place, _ notifier.Message) error {
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	after := &service{}
	run(t, before, func(b *bench) {
		free = make(chan struct{})
		b.start()
		ids := b.add("w1", "#a", "#a")
		b.pass(time.Second)
		b.outbox.Reload(only(notifier.Connection{Name: "team", Kind: "chat", Notifier: after}), delivery.Config{MaxAge: time.Hour, Timeout: time.Millisecond})
		b.pass(10 * time.Second)
		close(free)
		b.pass(3 * time.Second)
		for _, id := range ids {
			require.Equal(b.t, store.Delivered, b.get(id).State)
			require.Equal(b.t, 1, b.get(id).Attempts)
		}
		require.Equal(b.t, 1, before.times(ids[0]))
		require.Equal(b.t, 1, after.times(ids[1]), "the next goes by the new one")
	})
}

func TestAReloadedPolicyHolds(t *testing.T) {
	s := &service{send: func(context.Context, *place, notifier.Message) error { return notifier.Retry.Errorf("busy") }}
	run(t, s, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		synctest.Wait()
		b.config.MaxAttempts = 2
		b.outbox.Reload(notifier.NewConnections(b.conns, nil), b.config)
		b.pass(time.Minute)
		require.Equal(b.t, store.Dead, b.get(ids[0]).State)
		require.Equal(b.t, 2, b.get(ids[0]).Attempts)
	})
}

// A backlog that was paced by the old rate goes at the new one.
func aBacklogGoesAtTheReloadedRate(t *testing.T) {
	for name, rate := range map[string]struct{ before, after notifier.Rate }{
		"of a destination": {slowly(), notifier.Rate{PerSecond: 5, Burst: 1}},
		"in total":         {notifier.Rate{TotalPerSecond: 1.0 / 3600}, notifier.Rate{TotalPerSecond: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			run(t, s, func(b *bench) {
				b.conns[0].Rate = rate.before
				b.start()
				var ids []string
				for i := range 100 {
					ids = append(ids, b.add(fmt.Sprint("w", i), "#a")...)
				}
				b.pass(time.Minute)
				b.outbox.Reload(only(notifier.Connection{Name: "team", Kind: "chat", Notifier: s, Rate: rate.after}), b.config)
				b.pass(b.seen())
				require.Len(b.t, s.sent(), len(ids))
			})
		})
	}
}

// On Postgres each connection has a queue: that of a new one is worked on at once, and no attempt is cut off for it.
func TestServersWorkForConnectionsThatCome(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	s := &service{send: func(ctx context.Context, p *place, _ notifier.Message) error {
		if p.Channel != "#slow" {
			return nil
		}
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	w := onPostgres(t, s)
	w.config.Timeout = 20 * time.Second
	servers := []*server{w.start(), w.start()}
	under := w.add("under-way", "#slow")
	w.awaitThat(soon, "a call", under[0], func(d store.Delivery) bool { return d.Attempts == 1 })
	for i := range 5 {
		name := fmt.Sprint("come-", i)
		w.conns = append(w.conns, &notifier.Connection{Name: name, Kind: "chat", Notifier: s})
		for _, server := range servers {
			server.outbox.Reload(notifier.NewConnections(w.conns, nil), w.config)
		}
		w.move(name, w.delivery(name, "chat", name, "#a", []byte(`{"channel": "#a"}`)))
		w.awaitDelivered(5*time.Second, name)
	}
	for _, server := range servers {
		server.outbox.Reload(notifier.NewConnections(w.conns[:1], nil), w.config)
	}
	w.move("gone", w.delivery("gone", "chat", "come-0", "#a", []byte(`{"channel": "#a"}`)))
	w.awaitThat(soon, "dead", "gone", func(d store.Delivery) bool { return d.State == store.Dead })
	close(free)
	w.awaitDelivered(soon, under...)
	require.Equal(t, 1, w.get(under[0]).Attempts)
	require.Equal(t, 1, s.times(under[0]))
}

// While Postgres is away connections come all the same.
func TestConnectionsThatComeWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t, pgtest.Options{})
	s := &service{}
	w := on(t, pg.Database(t), s)
	server := w.start()
	w.awaitDelivered(soon, w.add("w", "#a")...)
	require.NoError(t, pg.Stop(pgtest.Immediate))
	w.conns = append(w.conns, &notifier.Connection{Name: "new", Kind: "chat", Notifier: s})
	server.outbox.Reload(notifier.NewConnections(w.conns, nil), w.config)
	require.NoError(t, pg.Start(t.Context()))
	w.await(soon, "the store is back", func() bool {
		return w.tryMove("after", w.delivery("after", "chat", "new", "#a", []byte(`{"channel": "#a"}`))) == nil
	})
	w.awaitDelivered(soon, "after")
}
