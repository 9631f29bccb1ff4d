package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// counting is a store that counts the looks at lanes of one connection, fails at them, or says that nothing is new.
type counting struct {
	*sqlite.Store
	looks atomic.Int32
	fails atomic.Bool
	stale atomic.Bool
}

func (c *counting) Due(ctx context.Context, l store.Lane, now time.Time, limit int) ([]store.Delivery, error) {
	if l.Connection == "team" {
		c.looks.Add(1)
	}
	if c.fails.Load() {
		return nil, errors.New("busy")
	}
	return c.Store.Due(ctx, l, now, limit)
}

func (c *counting) Lanes(ctx context.Context, now time.Time) ([]store.DueLane, error) {
	all, err := c.Store.Lanes(ctx, now)
	for i := range all {
		if c.stale.Load() {
			all[i].Mark = "the same"
		}
	}
	return all, err
}

// TestLanesThatWaitAreNotLookedAtAllTheTime: what waits stays due, and each message of anybody wakes the outbox.
func TestLanesThatWaitAreNotLookedAtAllTheTime(t *testing.T) {
	const lanes, minutes = 50, 10
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		return notifier.Unavailable(notifier.Retry.Errorf("connection refused"))
	}}
	run(t, s, func(b *bench) {
		well := &service{}
		b.conns = append(b.conns, &notifier.Connection{Name: "well", Kind: "chat", Notifier: well})
		for i := range lanes {
			b.add(fmt.Sprint("w", i), fmt.Sprint("#", i))
		}
		c := &counting{Store: b.store}
		b.startOn(c, slog.DiscardHandler)
		b.pass(5 * time.Minute)
		before := c.looks.Load()
		for i := range minutes * 60 {
			b.addTo("well", fmt.Sprint("v", i), "#w")
			b.pass(time.Second)
		}
		require.Len(b.t, well.sent(), minutes*60)
		require.Less(b.t, c.looks.Load()-before, int32(minutes*(lanes+20)), "each lane once a minute, and the one that is probed")
	})
}

// hanging has one delivery of a lane under way all the time, and another that is dead.
func hanging(t *testing.T, test func(b *bench, c *counting, s *service, dead string)) {
	s := &service{}
	var refuses atomic.Bool
	refuses.Store(true)
	s.send = func(ctx context.Context, _ *place, m notifier.Message) error {
		switch {
		case m.Key == "d2":
			<-ctx.Done()
			return notifier.Retry.Errorf("hangs")
		case m.Key == "d1" && refuses.Load():
			return notifier.Permanent.Errorf("no")
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.config.Timeout = time.Hour
		c := &counting{Store: b.store}
		b.startOn(c, slog.DiscardHandler)
		dead := b.add("w1", "#a")[0]
		synctest.Wait()
		require.Equal(b.t, store.Dead, b.get(dead).State)
		refuses.Store(false)
		b.add("w2", "#a")
		b.pass(5 * time.Second)
		test(b, c, s, dead)
	})
}

func TestALaneThatWaitsTakesUpWhatIsNew(t *testing.T) {
	hanging(t, func(b *bench, c *counting, s *service, dead string) {
		before := c.looks.Load()
		b.pass(30 * time.Second)
		require.Equal(b.t, before, c.looks.Load(), "nothing is new")
		_, err := b.store.Redrive(b.t.Context(), []string{dead}, time.Now().UTC()) // as a command does: nobody wakes the outbox
		require.NoError(b.t, err)
		b.pass(2 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(dead).State)
		b.add("w3", "#a")
		synctest.Wait()
		require.Len(b.t, s.sent(), 2)
	})
}

func TestALookThatFailsIsRepeated(t *testing.T) {
	hanging(t, func(b *bench, c *counting, s *service, _ string) {
		c.fails.Store(true)
		b.add("w3", "#a")
		b.pass(10 * time.Second)
		require.Empty(b.t, s.sent())
		c.fails.Store(false)
		b.pass(2 * time.Second)
		require.Len(b.t, s.sent(), 1)
	})
}

// TestALaneIsLookedAtInTheEndWhateverTheStoreSays: what should never be overlooked is found all the same.
func TestALaneIsLookedAtInTheEndWhateverTheStoreSays(t *testing.T) {
	hanging(t, func(b *bench, c *counting, s *service, _ string) {
		c.stale.Store(true)
		b.add("w3", "#a")
		b.pass(2 * time.Second)
		require.Len(b.t, s.sent(), 1)
		b.add("w4", "#a")
		b.pass(2 * time.Second)
		require.Len(b.t, s.sent(), 1, "nothing is new, it says")
		b.pass(2 * time.Minute)
		require.Len(b.t, s.sent(), 2)
	})
}
