package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// faulty is a store of which some calls fail, counted once it is armed.
type faulty struct {
	executor.Store
	armed   atomic.Bool
	refuse  atomic.Int64 // so many releases of fallbacks meet somebody else
	damaged string       // a delivery that cannot be read
	reads   atomic.Int64 // of deliveries
	writes  atomic.Int64
}

func (s *faulty) Write(ctx context.Context, c store.Change) error {
	if s.armed.Load() {
		s.writes.Add(1)
		if len(c.Released) > 0 && s.refuse.Add(-1) >= 0 {
			return fmt.Errorf("write: %w", store.ErrConflict)
		}
	}
	return s.Store.Write(ctx, c)
}

func (s *faulty) DeliveriesOf(ctx context.Context, ids []string) ([]store.Delivery, error) {
	if s.armed.Load() {
		s.reads.Add(1)
		if slices.Contains(ids, s.damaged) {
			return nil, errors.New("a row is damaged")
		}
	}
	return s.Store.DeliveriesOf(ctx, ids)
}

// fail has the executor work on a faulty store.
func (b *bench) fail() *faulty {
	b.stop()
	s := &faulty{Store: b.store}
	b.exec, b.stop = b.execute(func(o *executor.Options) { o.Store = s })
	return s
}

// gathered makes one message of the failures of some executions, each of which has a fallback of two places. It returns
// that message.
func (b *bench) gathered(names ...string) (digest store.Delivery) {
	rules := falling(func(r *spec.Rule) {
		r.Send, r.Fallback = ofSteps(1), ofSteps(2)
		r.Fallback[1].Connection = "elsewhere"
		r.Group = &spec.Group{Wait: 30 * time.Second, Every: time.Minute}
	})
	b.subs = []spec.Subscription{{Name: "s", Match: spec.Match{}, Rules: rules, CatchUp: spec.CatchUpSend}}
	require.NoError(b.t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: b.subs}))
	b.pass(time.Second)
	for _, name := range names {
		b.admin.set(name, "FAILED", func(x *flyte.Execution) { started(x); ends(x) })
	}
	b.pass(2 * time.Minute)
	for _, d := range b.deliveries() {
		if d.State == store.Pending {
			digest = d
		}
	}
	require.Equal(b.t, map[store.DeliveryState]int{store.Pending: 1, store.Superseded: len(names) - 1, store.Held: 2 * len(names)}, b.fates())
	return digest
}

// fates is how many deliveries are in each state.
func (b *bench) fates() map[store.DeliveryState]int {
	all := map[store.DeliveryState]int{}
	for _, d := range b.deliveries() {
		all[d.State]++
	}
	return all
}

func TestAPlaceThatSomebodyElseIsAtCostsNoFallback(t *testing.T) {
	for refused := int64(1); refused <= 3; refused++ {
		t.Run(fmt.Sprint(refused), func(t *testing.T) {
			run(t, func(b *bench) {
				s := b.fail()
				digest := b.gathered("f1", "f2", "f3")
				s.refuse.Store(refused)
				s.armed.Store(true)
				b.settle(digest, store.Dead, true)
				b.pass(time.Duration(refused+1) * 2 * time.Second)
				require.Equal(t, map[store.DeliveryState]int{store.Dead: 1, store.Superseded: 2 + 2*2, store.Pending: 2}, b.fates(), "one to each place")
				require.Empty(t, b.waitingFallbacks())
			})
		})
	}
}

func TestAFallbackThatWasReleasedElsewhereKeepsNoOther(t *testing.T) {
	run(t, func(b *bench) {
		s := b.fail()
		digest := b.gathered("f1", "f2", "f3")
		var first store.Delivery
		for _, d := range b.deliveries() {
			if d.State == store.Held && d.Connection == "" && first.ID == "" {
				first = d
			}
		}
		s.refuse.Store(1)
		s.armed.Store(true)
		b.settle(digest, store.Dead, true)
		b.pass(time.Millisecond)
		require.Equal(t, 6, b.fates()[store.Held], "somebody else was at it")
		require.NoError(t, b.store.Write(b.t.Context(), store.Change{At: time.Now().UTC(), Released: []store.Release{{ID: first.ID}}}))
		b.pass(5 * time.Second)
		require.Equal(t, map[store.DeliveryState]int{store.Dead: 1, store.Superseded: 2 + 1 + 2, store.Pending: 3}, b.fates(), "two to the place whose first was alone")
		require.Empty(t, b.waitingFallbacks())
	})
}

func TestWhatCannotBeReadKeepsNoOtherFallbackWaiting(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		now := time.Now().UTC()
		c := store.Change{At: now}
		const all = 250
		for i := range all {
			dead, held := heldBack(t, 2*i, "", time.Time{}), heldBack(t, 2*i+1, "b", time.Time{})
			dead.State, dead.SettledAt = store.Dead, now
			body, err := json.Marshal(map[string][]string{"sends": {dead.ID}, "fallbacks": {held.ID}})
			require.NoError(t, err)
			c.Deliveries = append(c.Deliveries, dead, held)
			c.Notes = append(c.Notes, store.Note{Kind: "fallback", Key: fmt.Sprintf("f%03d", i), Execution: dead.Execution, Due: now, Body: body})
		}
		require.NoError(t, b.store.Write(b.t.Context(), c))
		s := &faulty{Store: b.store, damaged: c.Deliveries[0].ID}
		s.armed.Store(true)
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Store = s })
		b.pass(time.Second)
		require.Equal(t, map[store.DeliveryState]int{store.Dead: all, store.Pending: 150, store.Held: 100}, b.fates(), "of those that are looked at with it none")
	})
}
