package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func oldestDue(t *testing.T, s store.Store, now time.Time) time.Time {
	t.Helper()
	oldest, err := s.OldestDue(t.Context(), now)
	require.NoError(t, err)
	return oldest
}

// outboxAge shows that only what could be sent now has an age: not what is under way, not what waits
// for another, not what is to be tried later.
func outboxAge(t *testing.T, s store.Store) {
	require.True(t, oldestDue(t, s, after(100)).IsZero())
	insert(t, s, "w",
		delivery("1", "w", at(after(4))),
		delivery("2", "w"), // older, behind the first
		delivery("3", "w", to("mail", "a@b"), at(after(5))),
		delivery("4", "w", to("dead", "x"), settled(store.Dead, start())),
	)
	insert(t, s, "v", delivery("5", "v", at(after(3))))
	require.True(t, oldestDue(t, s, after(2)).IsZero())
	require.Equal(t, after(3), oldestDue(t, s, after(3)))
	require.Equal(t, after(3), oldestDue(t, s, after(100)))

	begin(t, s, "5", 0, after(100))
	require.Equal(t, after(4), oldestDue(t, s, after(100)))
	record(t, s, "5", store.Outcome{State: store.Pending, NextAt: after(200), At: after(101)})
	require.Equal(t, after(4), oldestDue(t, s, after(102)))
	begin(t, s, "1", 0, after(102))
	require.Equal(t, after(5), oldestDue(t, s, after(102)))
	record(t, s, "1", store.Outcome{State: store.Delivered, At: after(103)})
	require.Equal(t, start(), oldestDue(t, s, after(103)), "its turn has come")
}
