package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestADeliveryIsSentAtOnce(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.start()
		begin := time.Now()
		ids := b.add("w1", "#a")
		synctest.Wait()
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.Equal(b.t, 1, d.Attempts)
		require.Equal(b.t, notifier.Receipt{"ts": "1"}, d.Receipt)
		require.Equal(b.t, begin.UTC(), d.SettledAt)
		require.Equal(b.t, "d1", s.sent()[0].title)
		require.Equal(b.t, "d1", s.sent()[0].key)
	})
}

func TestARetryBacksOffAndObeysTheService(t *testing.T) {
	var calls tally
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		switch calls.note() {
		case 1:
			return notifier.Retry.Errorf("busy")
		case 2:
			return notifier.RetryAfter(90*time.Second, fmt.Errorf("slow down"))
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(5 * time.Second)
		require.Equal(b.t, 2, calls.count(), "the first back-off is at most 5 s")
		require.Equal(b.t, "slow down", b.get(ids[0]).LastError)
		other := b.add("w2", "#a")
		b.pass(80 * time.Second)
		require.Equal(b.t, 2, calls.count(), "the whole lane leaves the service alone")
		b.pass(20 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, store.Delivered, b.get(other[0]).State)
		require.Equal(b.t, 3, b.get(ids[0]).Attempts)
		require.Zero(b.t, b.get(ids[0]).UnknownAt)
	})
}

func TestAPermanentErrorIsDeadAtOnceAndCanBeRedriven(t *testing.T) {
	var healed atomic.Bool
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		if !healed.Load() {
			return notifier.Permanent.Errorf("channel_not_found")
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.config.MaxAttempts = 1
		b.start()
		ids := b.add("w1", "#a", "#a")
		synctest.Wait()
		d := b.get(ids[0])
		require.Equal(b.t, store.Dead, d.State)
		require.Equal(b.t, "channel_not_found", d.LastError)
		require.Equal(b.t, store.Dead, b.get(ids[1]).State, "a dead one releases the next")
		healed.Store(true)
		refused, err := b.store.Redrive(b.t.Context(), ids, time.Now().UTC())
		require.NoError(b.t, err)
		require.Empty(b.t, refused)
		b.pass(5 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, 2, b.get(ids[0]).Attempts)
	})
}

func TestTheLimitsOfThePolicy(t *testing.T) {
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error { return notifier.Retry.Errorf("busy") }
	run(t, s, func(b *bench) {
		b.config.MaxAge = time.Hour
		b.start()
		old := b.add("w1", "#a")
		b.pass(2 * time.Hour)
		d := b.get(old[0])
		require.Equal(b.t, store.Dead, d.State)
		require.WithinDuration(b.t, d.CreatedAt.Add(time.Hour), d.SettledAt, 6*time.Minute)
		b.halt()
		b.config.MaxAttempts = 3
		b.start()
		tired := b.add("w2", "#b")
		b.pass(time.Minute)
		require.Equal(b.t, store.Dead, b.get(tired[0]).State)
		require.Equal(b.t, 3, b.get(tired[0]).Attempts)
		require.Equal(b.t, "busy", b.get(tired[0]).LastError)
	})
}

func TestOrderIsKeptPerWatchAndDestination(t *testing.T) {
	var tries tally
	s := &service{}
	s.send = func(_ context.Context, _ *place, m notifier.Message) error {
		if m.Key == "d1" && tries.note() == 1 {
			return notifier.RetryAfter(0, fmt.Errorf("busy"))
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		b.add("w1", "#a", "#a", "#b", "#a")
		b.add("w2", "#a")
		b.pass(time.Minute)
		var inA, all []string
		for _, p := range s.sent() {
			all = append(all, p.key)
			if p.channel == "#a" {
				inA = append(inA, p.key)
			}
		}
		require.Len(b.t, all, 5)
		require.Equal(b.t, []string{"d5", "d1", "d2", "d4"}, inA, "another watch does not wait, the same one does")
	})
}

func TestAHangingDestinationHoldsUpNoOther(t *testing.T) {
	s := &service{}
	s.send = func(ctx context.Context, p *place, _ notifier.Message) error {
		if p.Channel == "#hang" {
			<-ctx.Done()
			return notifier.Unknown.Errorf("time-out")
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		for i := range 100 {
			b.add(fmt.Sprint("h", i), "#hang")
		}
		ok := b.add("w1", "#a")
		synctest.Wait()
		require.Equal(b.t, store.Delivered, b.get(ok[0]).State)
	})
}

// TestAMessageOfSeveralHasNoSubjectOfOne: the first of those that it stands for lends it the place only.
func TestAMessageOfSeveralHasNoSubjectOfOne(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		ids := b.add("w1", "#a", "#a")
		var all []store.Delivery
		for _, id := range ids {
			d := b.get(id)
			d.ID, d.Key, d.WatchID = "held-"+id, "held-"+id, "w2"
			d.State, d.Bundle, d.HeldUntil = store.Held, "b1", time.Now().UTC()
			d.Destination = json.RawMessage(`{"channel": "#a", "subject": "f1 failed"}`)
			all = append(all, d)
		}
		content, err := render.NewDigest([]render.Content{{}, {}}).Marshal()
		require.NoError(b.t, err)
		require.NoError(b.t, b.store.Write(b.t.Context(), store.Change{At: time.Now().UTC(), Deliveries: all}))
		require.NoError(b.t, b.store.Write(b.t.Context(), store.Change{
			At: time.Now().UTC(), Released: []store.Release{{ID: all[0].ID}, {ID: all[1].ID, Content: content}},
		}))
		b.start()
		b.pass(time.Second)
		subjects := map[string]string{}
		for _, p := range s.sent() {
			subjects[p.key] = p.subject
		}
		require.Equal(b.t, "f1 failed", subjects[all[0].ID], "it is alone")
		require.Empty(b.t, subjects[all[1].ID])
	})
}
