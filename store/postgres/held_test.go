package postgres_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// TestWhatChangesMakeDueIsHandedOut has no delivery that waits for a server to look for it: each gets its job in the
// transaction that made it the first of its lane.
func TestWhatChangesMakeDueIsHandedOut(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	w := work(t, func(ctx context.Context, s *postgres.Store, d store.Delivery) time.Duration {
		mu.Lock()
		order = append(order, d.ID)
		mu.Unlock()
		return ended(s.Settle(ctx, d.ID, delivered()))
	})
	sent := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(order)
	}
	now := time.Now().UTC()
	write := func(c store.Change) {
		t.Helper()
		c.At = now
		require.NoError(t, w.store.Write(t.Context(), c))
	}
	w.add("w", 4, func(i int, d *store.Delivery) {
		switch i {
		case 0:
			d.State, d.Bundle, d.HeldUntil = store.Held, "quiet", now
		case 1, 2:
			d.NextAt = now.Add(time.Hour)
		}
	})
	write(store.Change{Superseded: []string{"w-2"}}) // from behind
	write(store.Change{Superseded: []string{"w-1"}})
	w.await("the next", func() bool { return slices.Equal(sent(), []string{"w-3"}) })
	write(store.Change{Released: []store.Release{{ID: "w-0"}}})
	w.await("the released one", func() bool { return slices.Equal(sent(), []string{"w-3", "w-0"}) })

	group := func(id string) store.Delivery {
		d := testDelivery("group")
		d.ID, d.Key = id, id
		return d
	}
	write(store.Change{Deliveries: []store.Delivery{group("a"), group("b")}})
	write(store.Change{Deliveries: []store.Delivery{group("c")}})
	w.await("those without a watch", func() bool { return slices.Equal(sent(), []string{"w-3", "w-0", "a", "b", "c"}) })
	n, err := w.store.Adopt(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

// ended is what a worker returns once it has settled a delivery, or has to try again.
func ended(err error) time.Duration {
	if err != nil {
		return time.Second
	}
	return 0
}

// TestPurgeForgetsIDsThatNoWatchHas leaves nothing to lock once the last delivery that goes by it is gone.
func TestPurgeForgetsIDsThatNoWatchHas(t *testing.T) {
	t.Parallel()
	url := empty(t)
	s, conn := openAt(t, url), connect(t, url)
	stands := func() int64 {
		return value[int64](t, conn, "SELECT count(*) FROM flyte_notifier.purged_watches WHERE unwatched")
	}
	for _, id := range []string{"a", "b"} {
		d := testDelivery("group")
		d.ID = id
		require.NoError(t, s.Write(t.Context(), store.Change{Deliveries: []store.Delivery{d}}))
	}
	later := testTime().Add(time.Hour)
	for i, id := range []string{"a", "b"} {
		require.EqualValues(t, 1, stands())
		require.NoError(t, s.Settle(t.Context(), id, store.Outcome{State: store.Dead, At: testTime()}))
		n, err := s.Purge(t.Context(), later, later, 10)
		require.NoError(t, err)
		require.Equal(t, 1, n, i)
	}
	require.Zero(t, stands())
}
