package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func ledgerCases() []testCase {
	return []testCase{
		{"tables are filtered, ordered and limited", ledgerFilters},
		{"tables tell what was done lately", ledgerSince},
		{"tables are read to the end", ledgerLong},
		{"a table stops where its reader does", ledgerStops},
		{"a table's reader may write", ledgerWrites},
		{"redrive revives what is dead or silenced", redriveRevives},
		{"redrive says what it refuses", redriveRefuses},
		{"counts are by state", ledgerCounts},
		{"resolved names are cached and forgotten", namesCached},
		{"a healthy store answers", ledgerPing},
	}
}

func ledgerFilters(t *testing.T, s store.Store) {
	insert(t, s, "w1", delivery("c", "w1"), delivery("a", "w1", settled(store.Dead, start())), delivery("b", "w1", to("x", "y")))
	insert(t, s, "w2", delivery("d", "w2", settled(store.Dead, start())))
	require.NoError(t, s.Cancel(t.Context(), "w2", 0, "", start()))

	for _, c := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{}, []string{"c", "a", "b", "d"}},
		{store.Filter{Limit: -1}, []string{"c", "a", "b", "d"}},
		{store.Filter{Limit: 10}, []string{"d", "b", "a", "c"}},
		{store.Filter{Limit: 2}, []string{"d", "b"}},
		{store.Filter{State: "dead"}, []string{"a", "d"}},
		{store.Filter{State: "dead", Limit: 1}, []string{"d"}},
		{store.Filter{State: "delivered"}, nil},
		{store.Filter{State: "nonsense"}, nil},
		{store.Filter{IDs: []string{"d", "c", "d", "nobody"}}, []string{"c", "d"}},
		{store.Filter{IDs: []string{"d", "c", "b"}, Limit: 2}, []string{"d", "b"}},
		{store.Filter{IDs: []string{"d", "c"}, State: "dead"}, []string{"d"}},
		{store.Filter{IDs: []string{"nobody"}}, nil},
	} {
		require.Equal(t, append([]string{}, c.want...), deliveryIDs(listDeliveries(t, s, c.filter)), "%+v", c.filter)
	}
	require.Equal(t, []string{"w1", "w2"}, watchIDs(listWatches(t, s, store.Filter{})))
	require.Equal(t, []string{"w2", "w1"}, watchIDs(listWatches(t, s, store.Filter{Limit: 5})))
	require.Equal(t, []string{"w2"}, watchIDs(listWatches(t, s, store.Filter{State: "cancelled"})))
	require.Equal(t, []string{"w1"}, watchIDs(listWatches(t, s, store.Filter{IDs: []string{"w1", "x"}})))
	equal(t, readWatch(t, s, "w1"), listWatches(t, s, store.Filter{IDs: []string{"w1"}})[0])
}

func ledgerSince(t *testing.T, s store.Store) {
	insert(t, s, "w1", delivery("early", "w1", settled(store.Dead, after(5))), delivery("late", "w1", settled(store.Dead, after(9))),
		delivery("delivered", "w1", settled(store.Delivered, after(8))), delivery("pending", "w1"))
	register(t, s, watch("w2", in(store.Ended, after(7))))
	all := []string{"early", "late", "delivered", "pending", "nobody"}
	for _, c := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{Since: after(8)}, []string{"late", "delivered"}},
		{store.Filter{Since: after(8), State: "dead"}, []string{"late"}},
		{store.Filter{Since: after(9).Add(time.Microsecond)}, nil},
		{store.Filter{Since: after(8), Limit: 1}, []string{"delivered"}},
		{store.Filter{Since: start(), State: "pending"}, []string{"pending"}},
		{store.Filter{Since: start()}, all[:4]},
		{store.Filter{Since: after(8), IDs: all}, []string{"late", "delivered"}},
		{store.Filter{Since: after(5), IDs: all, State: "dead"}, []string{"early", "late"}},
		{store.Filter{Since: start(), IDs: all}, all[:4]},
	} {
		require.Equal(t, append([]string{}, c.want...), deliveryIDs(listDeliveries(t, s, c.filter)), "%+v", c.filter)
	}
	require.Equal(t, []string{"w2"}, watchIDs(listWatches(t, s, store.Filter{Since: after(7)})))
	require.Empty(t, listWatches(t, s, store.Filter{Since: after(8)}))
	require.Equal(t, []string{"w1", "w2"}, watchIDs(listWatches(t, s, store.Filter{Since: start()})))
}

func ledgerLong(t *testing.T, s store.Store) {
	ids := numbered("d", 333)
	var all []store.Delivery
	for i, id := range ids {
		d := delivery(id, "w")
		if i%2 == 1 {
			d = delivery(id, "w", settled(store.Silenced, start()))
		}
		all = append(all, d)
	}
	insert(t, s, "w", all...)
	require.Equal(t, ids, deliveryIDs(listDeliveries(t, s, store.Filter{})))
	require.Len(t, listDeliveries(t, s, store.Filter{State: "silenced"}), 166)
	newest := slices.Clone(ids)
	slices.Reverse(newest)
	for _, limit := range []int{100, 101, 250, 333, 999} {
		require.Equal(t, newest[:min(limit, 333)], deliveryIDs(listDeliveries(t, s, store.Filter{Limit: limit})))
	}
	require.Equal(t, ids, deliveryIDs(listDeliveries(t, s, store.Filter{IDs: newest})))
}

func ledgerStops(t *testing.T, s store.Store) {
	insert(t, s, "w1", delivery("a", "w1"), delivery("b", "w1"))
	insert(t, s, "w2")
	enough, calls := errors.New("enough"), 0
	stop := func() error { calls++; return enough }
	require.ErrorIs(t, s.Deliveries(t.Context(), store.Filter{}, func(store.Delivery) error { return stop() }), enough)
	require.ErrorIs(t, s.Deliveries(t.Context(), store.Filter{IDs: []string{"a", "b"}}, func(store.Delivery) error { return stop() }), enough)
	require.ErrorIs(t, s.Watches(t.Context(), store.Filter{}, func(store.Watch) error { return stop() }), enough)
	require.Equal(t, 3, calls)
}

func ledgerWrites(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w", settled(store.Dead, start())), delivery("b", "w", settled(store.Dead, start())))
	require.NoError(t, s.Deliveries(t.Context(), store.Filter{State: "dead"}, func(d store.Delivery) error {
		_, err := s.Redrive(t.Context(), []string{d.ID}, after(1))
		return err
	}))
	require.Len(t, listDeliveries(t, s, store.Filter{State: "pending"}), 2)
}

func redriveRevives(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"), delivery("s", "w", settled(store.Silenced, after(1))))
	begin(t, s, "d", 0, after(1))
	record(t, s, "d", store.Outcome{State: store.Pending, Unknown: true, NextAt: after(2), At: after(2)})
	begin(t, s, "d", 1, after(3))
	record(t, s, "d", store.Outcome{State: store.Dead, At: after(4), LastError: "invalid_auth"})
	want := readDelivery(t, s, "d")

	refused, err := s.Redrive(t.Context(), []string{"d", "s", "d"}, after(10))
	require.NoError(t, err)
	require.Empty(t, refused)
	want.State, want.NextAt, want.SettledAt = store.Pending, after(10), time.Time{}
	want.Since, want.Spent = after(10), 2
	equal(t, want, readDelivery(t, s, "d"))
	require.Equal(t, 2, want.Attempts)
	require.True(t, after(1).Equal(want.UnknownAt))
	require.Equal(t, "invalid_auth", want.LastError)
	require.Equal(t, store.Pending, readDelivery(t, s, "s").State)
	require.Equal(t, []string{store.EventRegistered, store.EventRedriven, store.EventRedriven}, kinds(events(t, s, "w")))
	begin(t, s, "d", 2, after(10))
}

func redriveRefuses(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("pending", "w"),
		delivery("delivered", "w", settled(store.Delivered, start())),
		delivery("superseded", "w", settled(store.Superseded, start())),
		delivery("dead", "w", settled(store.Dead, start())))
	before := listDeliveries(t, s, store.Filter{IDs: []string{"pending", "delivered", "superseded"}})
	refused, err := s.Redrive(t.Context(), []string{"pending", "delivered", "superseded", "dead", "nobody"}, after(1))
	require.NoError(t, err)
	require.Equal(t, map[string]store.DeliveryState{
		"pending": store.Pending, "delivered": store.Delivered, "superseded": store.Superseded, "nobody": "",
	}, refused)
	equal(t, before, listDeliveries(t, s, store.Filter{IDs: []string{"pending", "delivered", "superseded"}}))
	require.Equal(t, store.Pending, readDelivery(t, s, "dead").State)

	refused, err = s.Redrive(t.Context(), nil, after(1))
	require.NoError(t, err)
	require.Empty(t, refused)
}

func ledgerCounts(t *testing.T, s store.Store) {
	watches, deliveries, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Empty(t, watches)
	require.Empty(t, deliveries)

	insert(t, s, "w1", delivery("a", "w1"), delivery("b", "w1"), delivery("c", "w1", settled(store.Dead, start())))
	insert(t, s, "w2", delivery("d", "w2"))
	register(t, s, watch("w3", in(store.Lost, after(1))))
	settle(t, s, "a", store.Delivered, after(1))
	watches, deliveries, err = s.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[store.WatchState]int{store.Active: 2, store.Lost: 1}, watches)
	require.Equal(t, map[store.DeliveryState]int{store.Pending: 2, store.Dead: 1, store.Delivered: 1}, deliveries)
}

func namesCached(t *testing.T, s store.Store) {
	resolved := func(l store.Lane) (string, error) {
		raw, err := s.Resolved(t.Context(), l)
		return string(raw), err
	}
	other := store.Lane{Connection: "team", Address: "#other"}
	_, err := resolved(lane())
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, s.SetResolved(t.Context(), lane(), nil), "to forget what is not known is no error")

	for _, value := range []string{`{"id":"C1"}`, `{"id":"C2","names":["#ml"]}`} {
		require.NoError(t, s.SetResolved(t.Context(), lane(), []byte(value)))
		got, err := resolved(lane())
		require.NoError(t, err)
		require.Equal(t, value, got)
	}
	_, err = resolved(other)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, s.SetResolved(t.Context(), lane(), nil))
	_, err = resolved(lane())
	require.ErrorIs(t, err, store.ErrNotFound)
}

func ledgerPing(t *testing.T, s store.Store) {
	for range 3 {
		require.NoError(t, s.Ping(t.Context()))
	}
}
