package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func moveCases() []testCase {
	return []testCase{
		{"a move writes the watch, its deliveries and events", moveWhole},
		{"a move leaves what a watch was registered with", moveKeeps},
		{"a move writes the state however little else it changes", moveStates},
		{"a stale move writes nothing", moveStale},
		{"a move of an unknown watch is not found", moveUnknown},
		{"a delivery whose id was there stays as it is", moveKnown},
		{"every write makes older reads stale", moveVersions},
	}
}

func moveWhole(t *testing.T, s store.Store) {
	w := register(t, s, watch("w"))
	w.State, w.Phase, w.Missing, w.Reason, w.EndedAt = store.Ended, "FAILED", after(1), "why", after(2)
	full := delivery("d1", "w", func(d *store.Delivery) {
		d.State, d.SettledAt, d.Attempts = store.Dead, after(3), 2
		d.Execution.Org, d.UnknownAt, d.Double = "acme", after(4), true
		d.Since, d.Spent = after(5), 1
		d.LastError, d.RenderError = "refused", "no such field"
		d.Receipt = notifier.Receipt{"channel": "C1", "ts": "1.2"}
	})
	plain := delivery("d2", "w", func(d *store.Delivery) { d.Connection, d.Destination, d.Content = "", nil, nil })
	said := []store.Event{{At: after(2), Kind: "phase", Text: "FAILED"}, {At: after(2), Kind: "fired", Text: "failed"}}
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{full, plain}}, Events: said}))

	got := readWatch(t, s, "w")
	require.Greater(t, got.Version, w.Version)
	w.Version = got.Version
	equal(t, w, got)
	all, err := s.WatchDeliveries(t.Context(), "w")
	require.NoError(t, err)
	equal(t, []store.Delivery{full, plain}, all)
	unsaid := delivery("d3", "other", func(d *store.Delivery) { d.Since, d.CreatedAt = time.Time{}, after(7) })
	insert(t, s, "other", unsaid)
	require.True(t, after(7).Equal(readDelivery(t, s, "d3").Since), "the policy counts from creation")
	line := events(t, s, "w")
	require.Equal(t, []string{store.EventRegistered, "phase", "fired"}, kinds(line))
	require.Equal(t, "FAILED", line[1].Text)
	require.True(t, after(2).Equal(line[1].At))
}

func moveKeeps(t *testing.T, s store.Store) {
	before := register(t, s, watch("w", func(w *store.Watch) { w.Own, w.Wait, w.Trace = execution("own"), true, "00-1" }))
	w := before
	w.Phase = "RUNNING"
	w.Kind, w.Attempt, w.Execution, w.Node, w.Own, w.Wait = store.Send, 4, execution("moved"), "n1", execution("other"), false
	w.Custom, w.Inputs, w.Outputs, w.Trace, w.CreatedAt = []byte(`{"a":1}`), nil, nil, "", after(9)
	for range 2 {
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w}))
		got := readWatch(t, s, "w")
		before.Phase, before.State, before.Version = w.Phase, w.State, got.Version
		equal(t, before, got)
		w.State, w.Version = store.Lost, got.Version
	}
}

func moveStates(t *testing.T, s store.Store) {
	w := register(t, s, watch("w"))
	for i, next := range []struct {
		state store.WatchState
		phase string
		ended time.Time
	}{
		{store.Active, "RUNNING", time.Time{}},
		{store.Ended, "FAILED", after(1)},
		{store.Ended, "FAILED", after(2)},
		{store.Active, "FAILED", time.Time{}},
		{store.Lost, "FAILED", time.Time{}},
	} {
		w.State, w.Phase, w.EndedAt = next.state, next.phase, next.ended
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w}))
		got := readWatch(t, s, "w")
		require.Equal(t, w.Version+1, got.Version)
		w.Version = got.Version
		equal(t, w, got)
		counted, _, err := s.Counts(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, counted[next.state], "move %d", i)
	}
}

func moveStale(t *testing.T, s store.Store) {
	w := register(t, s, watch("w"))
	w.Phase = "RUNNING"
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w}))
	before := readWatch(t, s, "w")

	w.Phase = "FAILED"
	err := s.Move(t.Context(), store.Transition{
		Watch:  w,
		Change: store.Change{Deliveries: []store.Delivery{delivery("d", "w")}},
		Events: []store.Event{{At: start(), Kind: "fired"}},
	})
	require.ErrorIs(t, err, store.ErrConflict)
	require.ErrorContains(t, err, "w")
	equal(t, before, readWatch(t, s, "w"))
	require.Empty(t, listDeliveries(t, s, store.Filter{}))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")))
}

func moveUnknown(t *testing.T, s store.Store) {
	err := s.Move(t.Context(), store.Transition{Watch: watch("nobody"), Change: store.Change{Deliveries: []store.Delivery{delivery("d", "nobody")}}})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Empty(t, listDeliveries(t, s, store.Filter{}))
}

func moveKnown(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d1", "w"))
	begin(t, s, "d1", 0, start())
	settle(t, s, "d1", store.Delivered, after(1))
	want := readDelivery(t, s, "d1")

	insert(t, s, "w", delivery("d1", "w"), delivery("d2", "w"), delivery("d2", "w", to("mail", "a@b")))
	equal(t, want, readDelivery(t, s, "d1"))
	equal(t, delivery("d2", "w"), readDelivery(t, s, "d2"))
	require.Len(t, listDeliveries(t, s, store.Filter{}), 2)

	insert(t, s, "other", delivery("d2", "other", to("mail", "c@d")))
	equal(t, delivery("d2", "w"), readDelivery(t, s, "d2"))
}

func moveVersions(t *testing.T, s store.Store) {
	stale := func(w store.Watch) {
		t.Helper()
		require.ErrorIs(t, s.Move(t.Context(), store.Transition{Watch: w}), store.ErrConflict)
	}
	w := register(t, s, watch("w"))
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w}))
	stale(w)
	w = readWatch(t, s, "w")
	register(t, s, watch("w", func(w *store.Watch) { w.Attempt = 1 }))
	stale(w)
	w = readWatch(t, s, "w")
	require.NoError(t, s.Cancel(t.Context(), "w", 1, "", start()))
	stale(w)
	w = readWatch(t, s, "w")
	register(t, s, watch("w", func(w *store.Watch) { w.Attempt = 2 }))
	stale(w)
	w = readWatch(t, s, "w")
	register(t, s, watch("w"))
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w}), "a replay of Register writes nothing")
}
