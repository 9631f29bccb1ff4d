package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func raceCases() []testCase {
	return []testCase{
		{"of many that register a watch one stores it", raceRegister},
		{"of many moves of one read one wins", raceMove},
		{"of many that begin a delivery one wins", raceBegin},
		{"tokens are never given twice", raceTokens},
		{"a failing write takes no other with it", raceMixed},
		{"readers see whole transitions", raceReaders},
		{"a caller that gives up is answered at once", raceGivesUp},
	}
}

// together calls fn so many times at once.
func together(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var group errgroup.Group
	for i := range n {
		group.Go(func() error { return fn(i) })
	}
	require.NoError(t, group.Wait())
}

func raceRegister(t *testing.T, s store.Store) {
	together(t, 100, func(i int) error {
		w, err := s.Register(t.Context(), watch("w", func(w *store.Watch) { w.Attempt = uint32(i % 5) }))
		if err == nil && w.Attempt < uint32(i%5) {
			return fmt.Errorf("attempt %d came back as %d", i%5, w.Attempt)
		}
		return err
	})
	all := listWatches(t, s, store.Filter{})
	require.Len(t, all, 1)
	require.EqualValues(t, 4, all[0].Attempt)
}

func raceMove(t *testing.T, s store.Store) {
	w := register(t, s, watch("w"))
	var won atomic.Int32
	together(t, 50, func(i int) error {
		d := delivery(fmt.Sprintf("d%d", i), "w")
		err := s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}})
		if err == nil {
			won.Add(1)
		}
		if errors.Is(err, store.ErrConflict) {
			return nil
		}
		return err
	})
	require.EqualValues(t, 1, won.Load())
	require.Len(t, listDeliveries(t, s, store.Filter{}), 1)
}

func raceBegin(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	rate := store.Rate{Bucket: "b", PerSecond: 0.001, Burst: 2}
	var won atomic.Int32
	together(t, 50, func(int) error {
		_, err := s.Begin(t.Context(), "d", 0, start(), []store.Rate{rate})
		if err == nil {
			won.Add(1)
		}
		if errors.Is(err, store.ErrConflict) {
			return nil
		}
		return err
	})
	require.EqualValues(t, 1, won.Load())
	a := &attempts{t: t, s: s}
	require.Zero(t, a.begin(start(), rate), "the losers took no token")
	require.NotZero(t, a.begin(start(), rate))
}

func raceTokens(t *testing.T, s store.Store) {
	ids := numbered("d", 60)
	for _, id := range ids {
		insert(t, s, id, delivery(id, id))
	}
	var won atomic.Int32
	together(t, len(ids), func(i int) error {
		wait, err := s.Begin(t.Context(), ids[i], 0, start(), []store.Rate{{Bucket: "b", PerSecond: 1, Burst: 7}})
		if err == nil && wait == 0 {
			won.Add(1)
		}
		return err
	})
	require.EqualValues(t, 7, won.Load())
}

func raceMixed(t *testing.T, s store.Store) {
	stale := register(t, s, watch("stale"))
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: stale}))
	together(t, 120, func(i int) error {
		id := fmt.Sprintf("w%d", i)
		if i%3 == 0 {
			err := s.Move(t.Context(), store.Transition{Watch: stale, Change: store.Change{Deliveries: []store.Delivery{delivery(id, "stale")}}})
			if !errors.Is(err, store.ErrConflict) {
				return fmt.Errorf("a stale move: %w", err)
			}
			return nil
		}
		w, err := s.Register(t.Context(), watch(id))
		if err != nil {
			return err
		}
		return s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{delivery(id, id)}}})
	})
	require.Len(t, listWatches(t, s, store.Filter{}), 81)
	require.Len(t, listDeliveries(t, s, store.Filter{}), 80)
}

func raceReaders(t *testing.T, s store.Store) {
	register(t, s, watch("w"))
	const moves = 30
	group, ctx := errgroup.WithContext(t.Context())
	group.Go(func() error {
		for i := range moves {
			w, err := s.Watch(ctx, "w")
			if err != nil {
				return err
			}
			w.Phase = fmt.Sprint(i + 1)
			a, b := fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)
			err = s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{delivery(a, "w"), delivery(b, "w")}}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for range 3 {
		group.Go(func() error {
			for n := 0; n < 2*moves; {
				all, err := s.WatchDeliveries(ctx, "w")
				if err != nil {
					return err
				}
				if n = len(all); n%2 != 0 {
					return fmt.Errorf("half a transition: %d deliveries", n)
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

func raceGivesUp(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_, err := s.Register(ctx, watch("w"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Watch(ctx, "w")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Ping(ctx), context.Canceled)
	require.ErrorIs(t, s.Watches(ctx, store.Filter{}, func(store.Watch) error { return nil }), context.Canceled)
	require.Less(t, time.Since(began), 5*time.Second)
	register(t, s, watch("w"))
	require.NoError(t, s.Ping(t.Context()), "the store is as it was")
}
