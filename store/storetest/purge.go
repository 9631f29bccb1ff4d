package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func purgeCases() []testCase {
	return []testCase{
		{"purge spares what is young, active or has something pending", purgeSpares},
		{"purged ids stay known", purgeKnown},
		{"a purged delivery stays known while its watch is there", purgeReplayed},
		{"purge goes by the limit", purgeLimit},
		{"what says no end goes by its creation", purgeTimeless},
		{"a purged watch's deliveries live on", purgeOrphans},
	}
}

func purge(t *testing.T, s store.Store, watches, deliveries time.Time, limit int) int {
	t.Helper()
	n, err := s.Purge(t.Context(), watches, deliveries, limit)
	require.NoError(t, err)
	return n
}

func purgeSpares(t *testing.T, s store.Store) {
	require.Zero(t, purge(t, s, after(99), after(99), 100))
	register(t, s, watch("active"))
	register(t, s, watch("young", in(store.Ended, after(10))))
	for _, state := range []store.WatchState{store.Ended, store.Cancelled, store.Lost} {
		register(t, s, watch("old-"+string(state), in(state, after(5))))
	}
	insert(t, s, "busy", delivery("busy-1", "busy"), delivery("busy-2", "busy", settled(store.Dead, after(5))))
	require.NoError(t, s.Cancel(t.Context(), "busy", 0, "", after(5)))
	insert(t, s, "active",
		delivery("old", "active", settled(store.Delivered, after(5))),
		delivery("young", "active", settled(store.Superseded, after(10))),
		delivery("pending", "active"))

	require.Zero(t, purge(t, s, time.Time{}, time.Time{}, 100))
	require.Zero(t, purge(t, s, after(5), after(5), 100), "before, not at")
	require.Equal(t, 5, purge(t, s, after(6), after(6), 100))
	require.ElementsMatch(t, []string{"active", "young", "busy"}, watchIDs(listWatches(t, s, store.Filter{})))
	require.ElementsMatch(t, []string{"busy-1", "young", "pending"}, deliveryIDs(listDeliveries(t, s, store.Filter{})))

	settle(t, s, "busy-1", store.Dead, after(7))
	require.Equal(t, 1, purge(t, s, after(6), after(6), 100))
	require.ElementsMatch(t, []string{"active", "young"}, watchIDs(listWatches(t, s, store.Filter{})))
}

func purgeKnown(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	settle(t, s, "d", store.Delivered, after(1))
	w := readWatch(t, s, "w")
	w.State, w.EndedAt = store.Ended, after(1)
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Events: []store.Event{{Kind: "ended", At: after(1)}}}))
	require.Equal(t, 2, purge(t, s, after(2), after(2), 100))

	require.Equal(t, store.Watch{ID: "w", State: store.Ended}, readWatch(t, s, "w"), "a task that waits for it is done")
	require.Empty(t, events(t, s, "w"))
	require.ErrorIs(t, s.Move(t.Context(), store.Transition{Watch: w}), store.ErrNotFound)
	_, err := s.Begin(t.Context(), "d", 1, after(3), nil)
	require.ErrorIs(t, err, store.ErrNotFound)

	for _, attempt := range []uint32{0, 5} {
		got := register(t, s, watch("w", func(w *store.Watch) { w.Attempt = attempt }))
		require.Equal(t, "w", got.ID)
		require.Equal(t, store.Ended, got.State)
	}
	require.NoError(t, s.Cancel(t.Context(), "w", 9, "", after(3)))
	insert(t, s, "other", delivery("d", "w"), delivery("e", "other"))
	require.Equal(t, []string{"e"}, deliveryIDs(listDeliveries(t, s, store.Filter{})), "d does not happen again")
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "other")), "no timeline is inherited")
	require.Equal(t, []string{"other"}, watchIDs(listWatches(t, s, store.Filter{})))
	refused, err := s.Redrive(t.Context(), []string{"d"}, after(3))
	require.NoError(t, err)
	require.Equal(t, map[string]store.DeliveryState{"d": ""}, refused)
}

func purgeReplayed(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("old", "w", settled(store.Dead, after(1))), delivery("new", "w", settled(store.Dead, after(9))))
	require.Equal(t, 1, purge(t, s, after(5), after(5), 100))
	insert(t, s, "w", delivery("old", "w"), delivery("new", "w"), delivery("more", "w"))
	require.ElementsMatch(t, []string{"new", "more"}, deliveryIDs(listDeliveries(t, s, store.Filter{})))
	require.Equal(t, []string{"more"}, dueIDs(t, s, lane(), after(9), 10))
}

func purgeLimit(t *testing.T, s store.Store) {
	for i, id := range numbered("w", 10) {
		register(t, s, watch(id, in(store.Ended, after(i))))
	}
	insert(t, s, "w", delivery("d0", "w", settled(store.Dead, after(0))), delivery("d1", "w", settled(store.Dead, after(1))))
	require.Zero(t, purge(t, s, after(99), after(99), 0))
	require.Equal(t, 4+2, purge(t, s, after(99), after(99), 4), "as many of each")
	require.Equal(t, "w004", listWatches(t, s, store.Filter{})[0].ID, "the oldest go first")
	require.Equal(t, 4, purge(t, s, after(99), after(99), 4))
	require.Equal(t, 2, purge(t, s, after(99), after(99), 4))
	require.Zero(t, purge(t, s, after(99), after(99), 4))
}

func purgeOrphans(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w", settled(store.Dead, after(1))))
	require.NoError(t, s.Cancel(t.Context(), "w", 0, "", after(1)))
	require.Equal(t, 1, purge(t, s, after(2), time.Time{}, 100))
	all, err := s.WatchDeliveries(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, []string{"d"}, deliveryIDs(all))

	refused, err := s.Redrive(t.Context(), []string{"d"}, after(3))
	require.NoError(t, err)
	require.Empty(t, refused)
	require.Equal(t, []string{"d"}, dueIDs(t, s, lane(), after(3), 10))
	begin(t, s, "d", 0, after(3))
	record(t, s, "d", store.Outcome{
		State: store.Delivered, At: after(4), Event: store.Event{At: after(4), Kind: "delivered"},
	})
	require.Equal(t, store.Delivered, readDelivery(t, s, "d").State)
}

func purgeTimeless(t *testing.T, s store.Store) {
	register(t, s, watch("lost", in(store.Lost, time.Time{})))
	insert(t, s, "active", delivery("dead", "active", settled(store.Dead, time.Time{})), delivery("pending", "active"))
	require.Zero(t, purge(t, s, start(), start(), 10))
	require.Equal(t, 2, purge(t, s, after(1), after(1), 10))
	require.Equal(t, []string{"active"}, watchIDs(listWatches(t, s, store.Filter{})))
	require.Equal(t, []string{"pending"}, deliveryIDs(listDeliveries(t, s, store.Filter{})))
}
