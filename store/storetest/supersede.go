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
		{"what is settled or unknown is left alone", supersedeLeaves},
		{"what is under way is over, and stays so until it is redriven", supersedeOpen},
		{"what is over stays so though its attempt is cut short", supersedeCutShort},
		{"what is under way and was held once is left alone", supersedeOpenHeld},
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
	insert(t, s, "w", delivery("dead", "w", settled(store.Dead, after(1))), delivery("sent", "w", settled(store.Delivered, after(1))), delivery("next", "w"))
	before := listDeliveries(t, s, store.Filter{})
	supersede(t, s, after(3), "sent", "dead", "nobody")
	equal(t, before, listDeliveries(t, s, store.Filter{}))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")))
}

func supersedeOpen(t *testing.T, s store.Store) {
	over := func(why string, ids ...string) {
		t.Helper()
		require.NoError(t, s.Write(t.Context(), store.Change{At: after(3), Superseded: ids, Why: why}))
	}
	insert(t, s, "w", delivery("open", "w"), delivery("next", "w"), delivery("mail", "w", to("mail", "a@b")))
	begin(t, s, "open", 0, after(1))
	begin(t, s, "mail", 0, after(1))
	over("acknowledged", "open", "nobody", "open")
	over("", "open", "mail", "mail")
	want := delivery("open", "w", func(d *store.Delivery) { d.Attempts, d.OpenedAt, d.Over = 1, after(1), "acknowledged" })
	equal(t, want, readDelivery(t, s, "open"))
	require.Equal(t, store.ItNoLongerHolds, readDelivery(t, s, "mail").Over)
	require.Empty(t, readDelivery(t, s, "next").Over)
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")), "nothing has come of it yet")
	require.Empty(t, dueIDs(t, s, lane(), after(4), 10), "its attempt is open still")

	settle(t, s, "mail", store.Delivered, after(4))
	require.Equal(t, store.ItNoLongerHolds, readDelivery(t, s, "mail").Over)
	settle(t, s, "open", store.Pending, after(4))
	due, err := s.Due(t.Context(), lane(), after(4), 10)
	require.NoError(t, err)
	require.Len(t, due, 1)
	require.Equal(t, "acknowledged", due[0].Over)
	settle(t, s, "open", store.Dead, after(5))
	_, err = s.Redrive(t.Context(), []string{"open"}, after(6))
	require.NoError(t, err)
	require.Empty(t, readDelivery(t, s, "open").Over, "somebody wants it")
}

func supersedeCutShort(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("open", "w"))
	begin(t, s, "open", 0, after(1))
	supersede(t, s, after(3), "open")
	recoverAll(t, s, after(4), map[string]time.Time{"open": after(1)})
	want := delivery("open", "w", at(after(4)), func(d *store.Delivery) {
		d.Attempts, d.UnknownAt, d.Over = 1, after(1), store.ItNoLongerHolds
	})
	equal(t, want, readDelivery(t, s, "open"))
	supersede(t, s, after(5), "open")
	require.Equal(t, store.Superseded, readDelivery(t, s, "open").State, "no attempt is open any more")
}

func supersedeOpenHeld(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("h", "w", held("q", after(1))))
	require.NoError(t, s.Write(t.Context(), store.Change{At: after(2), Released: []store.Release{{ID: "h"}}}))
	begin(t, s, "h", 0, after(2))
	before := readDelivery(t, s, "h")
	supersede(t, s, after(3), "h")
	equal(t, before, readDelivery(t, s, "h"))
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
