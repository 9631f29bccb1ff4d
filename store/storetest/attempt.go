package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func attemptCases() []testCase {
	return []testCase{
		{"begin opens an attempt", beginOpens},
		{"begin refuses what it may not open", beginConflicts},
		{"settle records a delivery", settleDelivered},
		{"settle leaves a retry pending", settleRetry},
		{"settle keeps the first unknown attempt", settleUnknown},
		{"settle needs no attempt", settleUnopened},
		{"settle refuses what is settled or unknown", settleConflicts},
		{"settle refuses the outcome of another attempt", settleFenced},
		{"settle takes the outcome of an interrupted attempt while it is the latest", settleInterrupted},
		{"a repeated settle leaves one event", settleRepeated},
		{"what was under way becomes unknown", recoverOpen},
		{"interrupt turns one attempt into an unknown one", interruptOpen},
	}
}

func beginOpens(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	begin(t, s, "d", 0, after(1))
	equal(t, delivery("d", "w", func(d *store.Delivery) { d.Attempts, d.OpenedAt = 1, after(1) }), readDelivery(t, s, "d"))
}

func beginConflicts(t *testing.T, s store.Store) {
	rate := store.Rate{Bucket: "b", PerSecond: 1, Burst: 1}
	conflict := func(id string, attempts int, want error) {
		t.Helper()
		_, err := s.Begin(t.Context(), id, attempts, after(1), []store.Rate{rate})
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, id)
	}
	insert(t, s, "w", delivery("d", "w"), delivery("dead", "w", settled(store.Dead, start())))
	conflict("nobody", 0, store.ErrNotFound)
	conflict("dead", 0, store.ErrConflict)
	conflict("d", 1, store.ErrConflict)
	begin(t, s, "d", 0, after(1), rate) // so no token was taken above
	conflict("d", 0, store.ErrConflict)
	conflict("d", 1, store.ErrConflict)
	settle(t, s, "d", store.Pending, after(2))
	conflict("d", 0, store.ErrConflict)
	begin(t, s, "d", 1, after(3))
	settle(t, s, "d", store.Delivered, after(4))
	conflict("d", 2, store.ErrConflict)
	require.Equal(t, 2, readDelivery(t, s, "d").Attempts)
}

func settleDelivered(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w", func(d *store.Delivery) { d.LastError = "earlier" }))
	begin(t, s, "d", 0, after(1))
	record(t, s, "d", store.Outcome{
		State: store.Delivered, At: after(2), RenderError: "no field", Double: true,
		Receipt: notifier.Receipt{"channel": "C1", "ts": "1.2"},
		Event:   store.Event{At: after(2), Kind: "delivered", Text: "slack #ml"},
	})
	equal(t, delivery("d", "w", func(d *store.Delivery) {
		d.State, d.Attempts, d.SettledAt, d.RenderError, d.Double = store.Delivered, 1, after(2), "no field", true
		d.Receipt = notifier.Receipt{"channel": "C1", "ts": "1.2"}
	}), readDelivery(t, s, "d"))
	line := events(t, s, "w")
	require.Equal(t, []string{store.EventRegistered, "delivered"}, kinds(line))
	require.Equal(t, "slack #ml", line[1].Text)
}

func settleRetry(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	begin(t, s, "d", 0, after(1))
	record(t, s, "d", store.Outcome{
		State: store.Pending, NextAt: after(30), At: after(2), LastError: "503", RenderError: "no field", Double: true,
	})
	want := delivery("d", "w", at(after(30)), func(d *store.Delivery) {
		d.Attempts, d.LastError, d.RenderError, d.Double = 1, "503", "no field", true
	})
	equal(t, want, readDelivery(t, s, "d"))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")), "no event was given")

	begin(t, s, "d", 1, after(30))
	settle(t, s, "d", store.Dead, after(31))
	want.Attempts, want.State, want.SettledAt, want.LastError = 2, store.Dead, after(31), ""
	got := readDelivery(t, s, "d")
	want.NextAt = got.NextAt // of no meaning once settled
	equal(t, want, got)
}

func settleUnknown(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	try := func(attempts int, opened time.Time, o store.Outcome) store.Delivery {
		t.Helper()
		begin(t, s, "d", attempts, opened)
		o.NextAt, o.At = opened, opened
		record(t, s, "d", o)
		return readDelivery(t, s, "d")
	}
	retry, unknown := store.Outcome{State: store.Pending}, store.Outcome{State: store.Pending, Unknown: true}
	require.True(t, try(0, after(1), retry).UnknownAt.IsZero())
	require.True(t, after(2).Equal(try(1, after(2), unknown).UnknownAt))
	require.True(t, after(2).Equal(try(2, after(3), unknown).UnknownAt), "the first")
	require.True(t, after(2).Equal(try(3, after(4), retry).UnknownAt), "kept")
	done := try(4, after(5), store.Outcome{State: store.Delivered})
	require.True(t, after(2).Equal(done.UnknownAt))
	require.Equal(t, store.Delivered, done.State)
}

func settleUnopened(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"), delivery("e", "w"))
	record(t, s, "d", store.Outcome{State: store.Dead, At: after(1), LastError: "too old"})
	want := delivery("d", "w", settled(store.Dead, after(1)), func(d *store.Delivery) { d.LastError = "too old" })
	equal(t, want, readDelivery(t, s, "d"))
	require.Equal(t, []string{"e"}, dueIDs(t, s, lane(), after(1), 10))

	record(t, s, "e", store.Outcome{State: store.Pending, At: after(1), NextAt: after(9), LastError: "busy"})
	equal(t, delivery("e", "w", at(after(9)), func(d *store.Delivery) { d.LastError = "busy" }), readDelivery(t, s, "e"))
}

func settleConflicts(t *testing.T, s store.Store) {
	err := s.Settle(t.Context(), "nobody", store.Outcome{State: store.Dead, At: start()})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorContains(t, err, "nobody")

	insert(t, s, "w", delivery("d", "w"))
	settle(t, s, "d", store.Dead, after(1))
	want := readDelivery(t, s, "d")
	for _, state := range []store.DeliveryState{store.Pending, store.Delivered, store.Dead} {
		err = s.Settle(t.Context(), "d", store.Outcome{State: state, At: after(2), Event: store.Event{Kind: "delivered", At: after(2)}})
		require.ErrorIs(t, err, store.ErrConflict)
	}
	equal(t, want, readDelivery(t, s, "d"))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")))
}

func settleFenced(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	begin(t, s, "d", 0, after(1))
	recoverAll(t, s, after(2), map[string]time.Time{"d": after(1)})
	begin(t, s, "d", 1, after(3))
	want, line := readDelivery(t, s, "d"), events(t, s, "w")
	for _, attempt := range []int{0, 1, 3} {
		for _, state := range []store.DeliveryState{store.Pending, store.Delivered, store.Dead} {
			err := s.Settle(t.Context(), "d", store.Outcome{
				Attempt: attempt, State: state, NextAt: after(9), At: after(4), LastError: "late", Hold: after(60),
				Event: store.Event{At: after(4), Kind: "retry"},
			})
			require.ErrorIs(t, err, store.ErrConflict, "attempt %d, %s", attempt, state)
		}
	}
	equal(t, want, readDelivery(t, s, "d"))
	equal(t, line, events(t, s, "w"))
	settle(t, s, "d", store.Pending, after(5))
	begin(t, s, "d", 2, after(5)) // so nothing was put on hold
	require.NoError(t, s.Settle(t.Context(), "d", store.Outcome{Attempt: 3, State: store.Delivered, At: after(6)}))
}

func settleInterrupted(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	begin(t, s, "d", 0, after(1))
	recoverAll(t, s, after(2), map[string]time.Time{"d": after(1)})
	require.NoError(t, s.Settle(t.Context(), "d", store.Outcome{Attempt: 1, State: store.Delivered, At: after(3)}))
	require.Equal(t, store.Delivered, readDelivery(t, s, "d").State)
}

func settleRepeated(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("d", "w"))
	begin(t, s, "d", 0, after(1))
	o := store.Outcome{
		Attempt: 1, State: store.Pending, NextAt: after(9), At: after(2), Unknown: true, LastError: "timeout",
		Event: store.Event{At: after(2), Kind: "attempt", Text: "timeout"},
	}
	for range 3 {
		require.NoError(t, s.Settle(t.Context(), "d", o))
	}
	require.Equal(t, []string{store.EventRegistered, "attempt"}, kinds(events(t, s, "w")))
	require.True(t, after(1).Equal(readDelivery(t, s, "d").UnknownAt))
}

func recoverOpen(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w"), delivery("b", "w", to("mail", "a@b")), delivery("c", "w", to("x", "y"), at(after(50))))
	insert(t, s, "v", delivery("done", "v"))
	begin(t, s, "a", 0, after(1))
	begin(t, s, "b", 0, after(2))
	record(t, s, "b", store.Outcome{State: store.Pending, Unknown: true, NextAt: after(3), At: after(3)})
	begin(t, s, "b", 1, after(4))
	begin(t, s, "done", 0, after(4))
	settle(t, s, "done", store.Delivered, after(5))
	untouched := []store.Delivery{readDelivery(t, s, "c"), readDelivery(t, s, "done")}

	recoverAll(t, s, after(60), map[string]time.Time{"a": after(1), "b": after(4)})
	equal(t, delivery("a", "w", at(after(60)), func(d *store.Delivery) { d.Attempts, d.UnknownAt = 1, after(1) }), readDelivery(t, s, "a"))
	b := readDelivery(t, s, "b")
	require.True(t, after(2).Equal(b.UnknownAt), "the first unknown attempt stays")
	require.True(t, b.OpenedAt.IsZero())
	require.Equal(t, 2, b.Attempts)
	equal(t, untouched, []store.Delivery{readDelivery(t, s, "c"), readDelivery(t, s, "done")})
	require.Equal(t, []string{"a"}, dueIDs(t, s, lane(), after(60), 10))
	require.Equal(t, []string{store.EventRegistered, store.EventUnknown, store.EventUnknown}, kinds(events(t, s, "w")))
	begin(t, s, "a", 1, after(61))
	recoverAll(t, s, after(70), map[string]time.Time{"a": after(61)})
}

// recoverAll turns all open attempts into unknown ones, as the engine does it: at its start where it
// has one server, else one by one when each is handed out again.
func recoverAll(t *testing.T, s store.Store, now time.Time, opened map[string]time.Time) {
	t.Helper()
	n, err := s.Recover(t.Context(), now)
	require.NoError(t, err)
	q, shared := s.(store.Queue)
	if !shared {
		require.Equal(t, len(opened), n)
		return
	}
	require.Zero(t, n, "they may be another server's")
	for id, when := range opened {
		require.NoError(t, q.Interrupt(t.Context(), id, when, now))
	}
}

func interruptOpen(t *testing.T, s store.Store) {
	q, shared := s.(store.Queue)
	if !shared {
		t.Skip("this engine has one server")
	}
	insert(t, s, "w", delivery("d", "w"))
	begin(t, s, "d", 0, after(1))
	require.ErrorIs(t, q.Interrupt(t.Context(), "d", after(2), after(3)), store.ErrConflict, "that is another attempt")
	require.NoError(t, q.Interrupt(t.Context(), "d", after(1), after(3)))
	want := delivery("d", "w", at(after(3)), func(d *store.Delivery) { d.Attempts, d.UnknownAt = 1, after(1) })
	equal(t, want, readDelivery(t, s, "d"))
	require.ErrorIs(t, q.Interrupt(t.Context(), "d", after(1), after(4)), store.ErrConflict, "it is no longer open")
	equal(t, want, readDelivery(t, s, "d"))
	begin(t, s, "d", 1, after(4))
	settle(t, s, "d", store.Delivered, after(5))
	require.ErrorIs(t, q.Interrupt(t.Context(), "d", after(4), after(6)), store.ErrConflict)
	require.Error(t, q.Interrupt(t.Context(), "nobody", after(1), after(6)))
}
