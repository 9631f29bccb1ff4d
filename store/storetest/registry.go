package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func registryCases() []testCase {
	return []testCase{
		{"a new watch is stored whole", registerWhole},
		{"a replay changes nothing", registerReplay},
		{"a later attempt is recorded", registerLater},
		{"a later attempt reopens what was cancelled or lost", registerReopens},
		{"a later attempt leaves what ended", registerEnded},
		{"an empty id is refused", registerNoID},
		{"an unknown watch is not found", watchUnknown},
		{"cancel ends an active watch", cancelActive},
		{"cancel spares what is not active", cancelOther},
		{"cancel spares a watch that a later attempt holds", cancelEarlier},
		{"cancel of an unknown watch is no error", cancelUnknown},
		{"events are read in pages", eventPages},
		{"deliveries of a watch come in order of creation", watchDeliveries},
	}
}

func registerWhole(t *testing.T, s store.Store) {
	want := watch("w1", func(w *store.Watch) {
		w.Kind, w.Attempt, w.Node, w.Wait = store.Send, 3, "n0-0-n1", true
		w.Execution.Org, w.Own, w.Own.Org = "acme", execution("own"), "acme"
		w.Phase, w.Missing, w.Reason, w.EndedAt = "RUNNING", after(1), "because", after(2)
	})
	got := register(t, s, want)
	want.Version = got.Version
	equal(t, want, got)
	equal(t, want, readWatch(t, s, "w1"))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w1")))

	bare := store.Watch{ID: "w2", CreatedAt: start()}
	want, got = bare, register(t, s, bare)
	want.State, want.Version = store.Active, got.Version
	equal(t, want, got)
	equal(t, want, readWatch(t, s, "w2"))
}

func registerReplay(t *testing.T, s store.Store) {
	want := register(t, s, watch("w", func(w *store.Watch) { w.Attempt = 2 }))
	for _, attempt := range []uint32{0, 1, 2} {
		equal(t, want, register(t, s, watch("w", func(w *store.Watch) {
			w.Attempt, w.Custom, w.CreatedAt, w.Kind = attempt, nil, after(9), store.Send
		})))
	}
	equal(t, want, readWatch(t, s, "w"))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")), "a replay leaves no event")
}

func registerLater(t *testing.T, s store.Store) {
	first := register(t, s, watch("w"))
	later := watch("w", func(w *store.Watch) {
		w.Attempt, w.CreatedAt, w.Inputs, w.Execution = 1, after(9), nil, execution("other")
	})
	got := register(t, s, later)
	want := first
	want.Attempt, want.Version = 1, got.Version
	equal(t, want, got)
	require.Greater(t, got.Version, first.Version, "every write raises the version")
	equal(t, got, readWatch(t, s, "w"))

	all := events(t, s, "w")
	require.Equal(t, []string{store.EventRegistered, store.EventRegistered}, kinds(all))
	require.True(t, after(9).Equal(all[1].At))
}

func registerReopens(t *testing.T, s store.Store) {
	for _, state := range []store.WatchState{store.Cancelled, store.Lost} {
		id := string(state)
		w := register(t, s, watch(id))
		w.State, w.Reason, w.EndedAt, w.Missing, w.Phase = state, "gone", after(2), after(1), "RUNNING"
		d := delivery("d-"+id, id)
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))

		before := readWatch(t, s, id)
		equal(t, before, register(t, s, watch(id)))

		got := register(t, s, watch(id, func(w *store.Watch) { w.Attempt = 1 }))
		equal(t, watch(id, func(w *store.Watch) { w.Attempt, w.Version = 1, got.Version }), got)
		require.Greater(t, got.Version, before.Version)
		equal(t, got, readWatch(t, s, id))
		equal(t, d, readDelivery(t, s, d.ID))

		fresh, err := s.Fresh(t.Context(), store.Follow, 10)
		require.NoError(t, err)
		require.Contains(t, watchIDs(fresh), id, "it is looked at anew")
	}
}

func registerEnded(t *testing.T, s store.Store) {
	w := register(t, s, watch("w"))
	w.State, w.EndedAt, w.Phase = store.Ended, after(5), "FAILED"
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w}))
	before := readWatch(t, s, "w")

	got := register(t, s, watch("w", func(w *store.Watch) { w.Attempt = 7 }))
	want := before
	want.Attempt, want.Version = 7, got.Version
	equal(t, want, got)
	equal(t, want, readWatch(t, s, "w"))
}

func registerNoID(t *testing.T, s store.Store) {
	_, err := s.Register(t.Context(), watch(""))
	require.Error(t, err)
	w := register(t, s, watch("w"))
	require.Error(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{delivery("", "w")}}}))
	equal(t, w, readWatch(t, s, "w"))
}

func watchUnknown(t *testing.T, s store.Store) {
	_, err := s.Watch(t.Context(), "nobody")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorContains(t, err, "nobody")

	deliveries, err := s.WatchDeliveries(t.Context(), "nobody")
	require.NoError(t, err)
	require.Empty(t, deliveries)
	require.Empty(t, events(t, s, "nobody"))
}

func cancelActive(t *testing.T, s store.Store) {
	first := register(t, s, watch("w", func(w *store.Watch) { w.Attempt = 1 }))
	require.NoError(t, s.Cancel(t.Context(), "w", 1, "aborted", after(3)))
	got := readWatch(t, s, "w")
	want := first
	want.State, want.Reason, want.EndedAt, want.Version = store.Cancelled, "aborted", after(3), got.Version
	equal(t, want, got)
	require.Greater(t, got.Version, first.Version)
	all := events(t, s, "w")
	require.Equal(t, []string{store.EventRegistered, store.EventCancelled}, kinds(all))
	require.Equal(t, "aborted", all[1].Text)

	require.NoError(t, s.Cancel(t.Context(), "w", 1, "again", after(4)))
	equal(t, got, readWatch(t, s, "w"))
}

func cancelOther(t *testing.T, s store.Store) {
	for _, state := range []store.WatchState{store.Ended, store.Lost, store.Cancelled} {
		want := register(t, s, watch(string(state), func(w *store.Watch) { w.State, w.EndedAt = state, after(1) }))
		require.NoError(t, s.Cancel(t.Context(), want.ID, 9, "aborted", after(3)))
		equal(t, want, readWatch(t, s, want.ID))
	}
}

func cancelEarlier(t *testing.T, s store.Store) {
	want := register(t, s, watch("w", func(w *store.Watch) { w.Attempt = 2 }))
	require.NoError(t, s.Cancel(t.Context(), "w", 1, "late", after(3)))
	equal(t, want, readWatch(t, s, "w"))
	require.NoError(t, s.Cancel(t.Context(), "w", 3, "newer", after(3)))
	require.Equal(t, store.Cancelled, readWatch(t, s, "w").State)
}

func cancelUnknown(t *testing.T, s store.Store) {
	require.NoError(t, s.Cancel(t.Context(), "nobody", 0, "aborted", start()))
	_, err := s.Watch(t.Context(), "nobody")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func eventPages(t *testing.T, s store.Store) {
	w := register(t, s, watch("w"))
	other := register(t, s, watch("other"))
	texts := numbered("e", 25)
	var all []store.Event
	for i, text := range texts {
		all = append(all, store.Event{Seq: 99, At: after(i), Kind: "phase", Text: text})
	}
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Events: all[:10]}))
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: other, Events: all[:1]}))
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: readWatch(t, s, "w"), Events: all[10:]}))

	var got []string
	var last int64
	for pages := 0; ; pages++ {
		require.Less(t, pages, 10)
		page, err := s.Events(t.Context(), "w", last, 4)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 4)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			require.Greater(t, e.Seq, last, "seq ascends")
			require.Equal(t, time.UTC, e.At.Location())
			last, got = e.Seq, append(got, e.Text)
		}
	}
	require.Equal(t, texts, got[1:], "after the registration")

	for _, limit := range []int{0, -1} {
		none, err := s.Events(t.Context(), "w", 0, limit)
		require.NoError(t, err)
		require.Empty(t, none)
	}
}

func watchDeliveries(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d3", "w", settled(store.Dead, after(1))), delivery("d1", "w", to("mail", "a@b")))
	insert(t, s, "other", delivery("o1", "other"))
	insert(t, s, "w", delivery("d2", "w", at(start().Add(-time.Hour))))
	all, err := s.WatchDeliveries(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, []string{"d3", "d1", "d2"}, deliveryIDs(all))
}
