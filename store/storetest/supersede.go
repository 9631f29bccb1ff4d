package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func supersedeCases() []testCase {
	return []testCase{
		{"what waits is superseded, and the next takes its turn", supersedePending},
		{"it is said why", supersedeSayingWhy},
		{"what is settled, under way or unknown is left alone", supersedeLeaves},
		{"what comes in its place is sent", supersedeReplaced},
		{"from behind, and several of a lane at once", supersedeSeveral},
	}
}

// supersede does a change that supersedes these deliveries.
func supersede(t *testing.T, s store.Store, when time.Time, ids ...string) {
	t.Helper()
	require.NoError(t, s.Write(t.Context(), store.Change{At: when, Superseded: ids}))
}

// supersedeSayingWhy shows what users see of a delivery that went into another one.
func supersedeSayingWhy(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w"))
	require.NoError(t, s.Write(t.Context(), store.Change{At: after(3), Superseded: []string{"a"}, Why: "told in digest x"}))
	require.Equal(t, "told in digest x", readDelivery(t, s, "a").LastError)
	require.Equal(t, "slack #ml: not sent, told in digest x", events(t, s, "w")[1].Text)
}

func supersedePending(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w", at(after(50))), delivery("b", "w"), delivery("mail", "w", to("mail", "a@b")))
	begin(t, s, "a", 0, after(1))
	record(t, s, "a", store.Outcome{State: store.Pending, NextAt: after(50), At: after(2), LastError: "503"})
	supersede(t, s, after(3), "a", "a")
	want := delivery("a", "w", at(after(50)), settled(store.Superseded, after(3)), func(d *store.Delivery) { d.Attempts, d.LastError = 1, "503" })
	equal(t, want, readDelivery(t, s, "a"))
	require.Equal(t, []string{"b"}, dueIDs(t, s, lane(), after(3), 10))
	require.Len(t, dueIDs(t, s, store.Lane{Connection: "mail", Address: "a@b"}, after(3), 10), 1)
	line := events(t, s, "w")
	require.Equal(t, []string{store.EventRegistered, store.EventSuperseded}, kinds(line))
	require.Equal(t, store.SupersededEvent("slack", "#ml", "", after(3)).Text, line[1].Text)
	require.True(t, after(3).Equal(line[1].At))
	_, err := s.Begin(t.Context(), "a", 1, after(60), nil)
	require.ErrorIs(t, err, store.ErrConflict)
	refused, err := s.Redrive(t.Context(), []string{"a"}, after(60))
	require.NoError(t, err)
	require.Equal(t, map[string]store.DeliveryState{"a": store.Superseded}, refused)
	_, counted, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, counted[store.Superseded])
	require.Equal(t, 2, counted[store.Pending])
}

func supersedeLeaves(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("open", "w"), delivery("dead", "w", settled(store.Dead, after(1))), delivery("next", "w"))
	begin(t, s, "open", 0, after(1))
	before := listDeliveries(t, s, store.Filter{})
	supersede(t, s, after(3), "open", "dead", "nobody")
	equal(t, before, listDeliveries(t, s, store.Filter{}))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")))
	settle(t, s, "open", store.Pending, after(4))
	require.Equal(t, []string{"open"}, dueIDs(t, s, lane(), after(4), 10))
}

func supersedeReplaced(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("first", "w"))
	for _, ids := range [][2]string{{"first", "second"}, {"second", "third"}} {
		w := readWatch(t, s, "w")
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{
			At: after(1), Superseded: []string{ids[0], ids[1]}, Deliveries: []store.Delivery{delivery(ids[1], "w")},
		}}))
		require.Equal(t, []string{ids[1]}, dueIDs(t, s, lane(), after(1), 10), "what a change inserts it does not supersede")
	}
}

func supersedeSeveral(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w"), delivery("b", "w"), delivery("c", "w"), delivery("d", "w"), delivery("e", "w"))
	insert(t, s, "v", delivery("other", "v"))
	supersede(t, s, after(1), "d")
	require.Equal(t, []string{"a", "other"}, dueIDs(t, s, lane(), after(1), 10))
	supersede(t, s, after(1), "c", "other", "a", "b")
	require.Equal(t, []string{"e"}, dueIDs(t, s, lane(), after(1), 10))
	supersede(t, s, after(1), "e")
	require.Empty(t, dueIDs(t, s, lane(), after(1), 10))
	require.Empty(t, lanes(t, s, after(1)))
	insert(t, s, "w", delivery("f", "w"))
	require.Equal(t, []string{"f"}, dueIDs(t, s, lane(), after(1), 10))
}
