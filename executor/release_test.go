package executor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// slowHeld is a store that takes its time to read a bundle.
type slowHeld struct {
	executor.Store
	takes time.Duration
	reads atomic.Int64
	busy  atomic.Bool // another server is always faster
}

func (s *slowHeld) Held(ctx context.Context, bundle string, limit int) ([]store.Delivery, error) {
	s.reads.Add(1)
	<-time.After(s.takes)
	return s.Store.Held(ctx, bundle, limit)
}

func (s *slowHeld) Write(ctx context.Context, c store.Change) error {
	if s.busy.Load() {
		return store.ErrConflict
	}
	return s.Store.Write(ctx, c)
}

// hold has a store with deliveries of bundles that are due in a minute, by the bundle's name.
func (b *bench) hold(of map[string]int, takes time.Duration) *slowHeld {
	b.stop()
	until := time.Now().UTC().Add(time.Minute)
	c, i := store.Change{At: time.Now().UTC()}, 0
	for bundle, many := range of {
		for range many {
			c.Deliveries = append(c.Deliveries, heldBack(b.t, i, bundle, until))
			i++
		}
	}
	require.NoError(b.t, b.store.Write(b.t.Context(), c))
	s := &slowHeld{Store: b.store, takes: takes}
	b.exec, b.stop = b.execute(func(o *executor.Options) { o.Store = s })
	return s
}

// waiting is how many deliveries there are that go out, by their bundle.
func (b *bench) waiting() map[string]int {
	all := map[string]int{}
	for _, d := range b.deliveries() {
		if d.State == store.Pending {
			all[d.Bundle]++
		}
	}
	return all
}

func TestALargeBundleDelaysNoOther(t *testing.T) {
	run(t, func(b *bench) {
		b.hold(map[string]int{"a": 1900, "b": 3, "c": 1}, time.Second)
		b.pass(64 * time.Second)
		require.Equal(t, map[string]int{"b": 1, "c": 1}, b.waiting())
		b.pass(time.Minute)
		require.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1}, b.waiting())
	})
}

func TestABundleThatAnotherServerIsAtIsLeftToIt(t *testing.T) {
	run(t, func(b *bench) {
		s := b.hold(map[string]int{"a": 300, "b": 3}, time.Millisecond)
		s.busy.Store(true)
		b.pass(70 * time.Second)
		require.LessOrEqual(t, s.reads.Load(), int64(24), "each is tried once a second")
		s.busy.Store(false)
		b.pass(3 * time.Second)
		require.Equal(t, map[string]int{"a": 1, "b": 1}, b.waiting(), "the other server did not do it")
	})
}
