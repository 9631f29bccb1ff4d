package delivery_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestTheOutboxTellsOfWhatItSettles: of what arrived and of what died, but of no try between.
func TestTheOutboxTellsOfWhatItSettles(t *testing.T) {
	var calls tally
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		switch calls.note() {
		case 1:
			return notifier.Retry.Errorf("busy")
		case 2:
			return nil
		}
		return notifier.Permanent.Errorf("channel_not_found")
	}
	run(t, s, func(b *bench) {
		var mu sync.Mutex
		told := map[string][]store.DeliveryState{}
		b.settled = func(d store.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			told[d.ID] = append(told[d.ID], d.State)
		}
		b.start()
		arrives := b.add("w1", "#a")
		b.pass(10 * time.Second)
		dies := b.add("w2", "#a")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.Equal(b.t, map[string][]store.DeliveryState{arrives[0]: {store.Delivered}, dies[0]: {store.Dead}}, told)
	})
}

// away is a store that takes no deaths for a while.
type away struct {
	delivery.Store
	back atomic.Bool
}

func (a *away) Settle(ctx context.Context, id string, o store.Outcome) error {
	if o.State == store.Dead && !a.back.Load() {
		return errors.New("connection refused")
	}
	return a.Store.Settle(ctx, id, o)
}

// TestADeathThatIsRecordedLateIsToldOf though one that died later was told of before.
func TestADeathThatIsRecordedLateIsToldOf(t *testing.T) {
	s := &service{send: func(_ context.Context, p *place, _ notifier.Message) error {
		if p.Channel == "#a" {
			return notifier.Permanent.Errorf("channel_not_found")
		}
		return nil
	}}
	run(t, s, func(b *bench) {
		_, stop := b.operators()
		defer stop()
		b.pass(time.Second)
		a := &away{Store: b.store}
		b.startOn(a, slog.DiscardHandler)
		id := b.add("w1", "#a")[0]
		b.pass(2 * time.Minute)
		require.Equal(b.t, store.Pending, b.get(id).State)
		b.deadFromTheStart("w2")
		b.pass(10 * time.Minute)
		alert, body := b.one("#ops")
		require.Contains(b.t, body, "1 message ")
		require.Equal(b.t, store.Delivered, alert.State)
		a.back.Store(true)
		b.pass(10 * time.Minute)
		require.Equal(b.t, store.Dead, b.get(id).State)
		_, body = b.one("#ops")
		require.Contains(b.t, body, "channel_not_found")
	})
}

// deadFromTheStart stores a delivery that nobody can send.
func (b *bench) deadFromTheStart(watch string) {
	now := time.Now().UTC()
	w, err := b.store.Register(b.t.Context(), store.Watch{ID: watch, Kind: store.Follow, State: store.Active, CreatedAt: now})
	require.NoError(b.t, err)
	d := b.delivery(w, "d-"+watch, "#b")
	d.State, d.LastError, d.SettledAt = store.Dead, "busy", now
	require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
}
