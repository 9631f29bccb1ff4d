package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func outboxCases() []testCase {
	return []testCase{
		{"an empty outbox has nothing due", outboxEmpty},
		{"lanes are those with something due", outboxLanes},
		{"due deliveries come oldest first", outboxDue},
		{"a watch's deliveries keep their order in a lane", outboxOrder},
		{"an open attempt is not due and holds back what follows", outboxOpen},
		{"what leaves pending in any way releases the next", outboxRelease},
		{"a redriven delivery takes its place again", outboxRedriven},
		{"next at is the first time after now", outboxNextAt},
		{"the oldest that could be sent has an age", outboxAge},
	}
}

func lanes(t *testing.T, s store.Store, now time.Time) (all []store.Lane) {
	t.Helper()
	due, err := s.Lanes(t.Context(), now)
	require.NoError(t, err)
	for _, l := range due {
		all = append(all, l.Lane)
	}
	return all
}

func nextAt(t *testing.T, s store.Store, now time.Time) time.Time {
	t.Helper()
	next, err := s.NextAt(t.Context(), now)
	require.NoError(t, err)
	return next
}

func outboxEmpty(t *testing.T, s store.Store) {
	require.Empty(t, lanes(t, s, start()))
	require.Empty(t, dueIDs(t, s, lane(), start(), 10))
	require.True(t, nextAt(t, s, time.Time{}).IsZero())
	n, err := s.Recover(t.Context(), start())
	require.NoError(t, err)
	require.Zero(t, n)
}

func outboxLanes(t *testing.T, s store.Store) {
	insert(t, s, "w",
		delivery("1", "w", to("team", "#b")),
		delivery("2", "w", to("team", "#a"), at(after(10))),
		delivery("3", "w", to("mail", "a@b")),
		delivery("4", "w", to("", "")),
		delivery("5", "w", to("dead", "x"), settled(store.Dead, start())),
	)
	insert(t, s, "v", delivery("6", "v", to("team", "#b")), delivery("7", "v", to("team", "#a"), at(after(5))))
	stdout, mail := store.Lane{}, store.Lane{Connection: "mail", Address: "a@b"}
	a, b := store.Lane{Connection: "team", Address: "#a"}, store.Lane{Connection: "team", Address: "#b"}

	require.Empty(t, lanes(t, s, start().Add(-time.Microsecond)))
	require.ElementsMatch(t, []store.Lane{stdout, mail, b}, lanes(t, s, start()))
	require.ElementsMatch(t, []store.Lane{stdout, mail, b}, lanes(t, s, after(4)))
	require.ElementsMatch(t, []store.Lane{stdout, mail, a, b}, lanes(t, s, after(5)))
	for _, l := range lanes(t, s, after(20)) {
		require.NotEmpty(t, dueIDs(t, s, l, after(20), 1), "a lane that is told has something to do")
	}
}

func outboxDue(t *testing.T, s store.Store) {
	for i, id := range numbered("w", 5) {
		insert(t, s, id, delivery("d-"+id, id, at(after(-i))), delivery("mail-"+id, id, to("mail", "#ml")))
	}
	insert(t, s, "later", delivery("d-later", "later", at(after(1))))
	require.Equal(t, []string{"d-w000", "d-w001", "d-w002", "d-w003", "d-w004"}, dueIDs(t, s, lane(), start(), 10))
	require.Equal(t, []string{"d-w000", "d-w001"}, dueIDs(t, s, lane(), start(), 2))
	require.Equal(t, []string{"d-w003", "d-w004"}, dueIDs(t, s, lane(), after(-3), 10))
	require.Contains(t, dueIDs(t, s, lane(), after(1), 10), "d-later")
	require.Empty(t, dueIDs(t, s, lane(), start(), 0))
	require.Empty(t, dueIDs(t, s, lane(), start(), -1))
	require.Empty(t, dueIDs(t, s, store.Lane{Connection: "team", Address: "#none"}, start(), 10))

	all, err := s.Due(t.Context(), lane(), start(), 1)
	require.NoError(t, err)
	equal(t, delivery("d-w000", "w000"), all[0])
}

func outboxOrder(t *testing.T, s store.Store) {
	insert(t, s, "w",
		delivery("first", "w", at(after(10))),
		delivery("second", "w"),
		delivery("mail", "w", to("mail", "a@b")),
		delivery("mail-2", "w", to("mail", "a@b")),
	)
	insert(t, s, "v", delivery("other", "v"))
	insert(t, s, "w", delivery("third", "w", at(after(-10))))

	require.Equal(t, []string{"other"}, dueIDs(t, s, lane(), start(), 10), "the first of w is not due, the others wait for it")
	mail := store.Lane{Connection: "mail", Address: "a@b"}
	require.Equal(t, []string{"mail"}, dueIDs(t, s, mail, start(), 10), "another lane does not wait")
	require.Equal(t, []string{"first", "other"}, dueIDs(t, s, lane(), after(10), 10))
	require.Equal(t, []string{"first"}, dueIDs(t, s, lane(), after(10), 1))

	begin(t, s, "first", 0, after(10))
	settle(t, s, "first", store.Delivered, after(11))
	require.Equal(t, []string{"second", "other"}, dueIDs(t, s, lane(), after(11), 10))

	begin(t, s, "second", 0, after(11))
	record(t, s, "second", store.Outcome{State: store.Pending, NextAt: after(100), At: after(12)})
	require.Equal(t, []string{"other"}, dueIDs(t, s, lane(), after(12), 10), "a retry still goes first")
	settle(t, s, "second", store.Dead, after(13))
	require.Equal(t, []string{"other", "third"}, dueIDs(t, s, lane(), after(13), 10))
}

func outboxOpen(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("first", "w"), delivery("second", "w"))
	insert(t, s, "v", delivery("other", "v"))
	begin(t, s, "first", 0, start())
	require.Equal(t, []string{"other"}, dueIDs(t, s, lane(), after(60), 10))
	begin(t, s, "other", 0, start())
	require.Empty(t, dueIDs(t, s, lane(), after(60), 10))
	require.Empty(t, lanes(t, s, after(60)), "what is being sent needs nobody")

	settle(t, s, "first", store.Pending, after(61))
	require.Equal(t, []string{"first"}, dueIDs(t, s, lane(), after(61), 10))
	require.Equal(t, []store.Lane{lane()}, lanes(t, s, after(61)))
}

func outboxRelease(t *testing.T, s store.Store) {
	ends := []store.DeliveryState{store.Delivered, store.Dead, store.Superseded, store.Silenced}
	var all []store.Delivery
	for _, state := range ends {
		all = append(all, delivery("d-"+string(state), "w"))
	}
	insert(t, s, "w", append(all, delivery("last", "w"))...)
	for _, state := range ends {
		id := "d-" + string(state)
		require.Equal(t, []string{id}, dueIDs(t, s, lane(), after(1), 10))
		settle(t, s, id, state, after(1))
	}
	require.Equal(t, []string{"last"}, dueIDs(t, s, lane(), after(1), 10))
}

func outboxRedriven(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w"), delivery("b", "w"), delivery("c", "w"), delivery("d", "w"))
	redrive := func(ids ...string) {
		t.Helper()
		refused, err := s.Redrive(t.Context(), ids, after(5))
		require.NoError(t, err)
		require.Empty(t, refused)
	}
	settle(t, s, "a", store.Dead, after(1))
	settle(t, s, "b", store.Silenced, after(1))
	require.Equal(t, []string{"c"}, dueIDs(t, s, lane(), after(5), 10))
	redrive("b")
	require.Equal(t, []string{"b"}, dueIDs(t, s, lane(), after(5), 10), "older than c")
	redrive("a")
	require.Equal(t, []string{"a"}, dueIDs(t, s, lane(), after(5), 10))
	settle(t, s, "c", store.Dead, after(6)) // from behind
	redrive("c")
	require.Equal(t, []string{"a"}, dueIDs(t, s, lane(), after(6), 10))
	for _, id := range []string{"a", "b", "c", "d"} {
		require.Equal(t, []string{id}, dueIDs(t, s, lane(), after(7), 10))
		settle(t, s, id, store.Delivered, after(7))
	}
	require.Empty(t, dueIDs(t, s, lane(), after(7), 10))
}

func outboxNextAt(t *testing.T, s store.Store) {
	insert(t, s, "w",
		delivery("a", "w", at(after(10))),
		delivery("b", "w", to("mail", "a@b"), at(after(5))),
		delivery("c", "w", to("x", "y"), at(after(1)), settled(store.Dead, after(1))),
	)
	require.True(t, after(5).Equal(nextAt(t, s, start())))
	require.Equal(t, time.UTC, nextAt(t, s, start()).Location())
	require.True(t, after(5).Equal(nextAt(t, s, time.Time{})))
	require.True(t, after(10).Equal(nextAt(t, s, after(5))), "after, not at")
	require.True(t, nextAt(t, s, after(10)).IsZero())
	settle(t, s, "b", store.Delivered, start())
	require.True(t, after(10).Equal(nextAt(t, s, start())))
}
