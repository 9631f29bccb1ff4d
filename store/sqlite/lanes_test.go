package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// mark is that of the only lane.
func mark(t *testing.T, s *sqlite.Store, now time.Time) string {
	t.Helper()
	all, err := s.Lanes(t.Context(), now)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, store.Lane{Connection: "team", Address: "#ml"}, all[0].Lane)
	return all[0].Mark
}

// TestALanesMarkTellsWhatIsDue: whoever goes by it overlooks nothing.
func TestALanesMarkTellsWhatIsDue(t *testing.T) {
	t.Parallel()
	s := open(t)
	seen := map[string]bool{}
	is := func(what string, now time.Time) {
		t.Helper()
		m := mark(t, s, now)
		require.False(t, seen[m], what)
		require.Equal(t, m, mark(t, s, now.Add(time.Second)), "%s: time alone is nothing new", what)
		seen[m] = true
	}
	addOf(t, s, "ml", "w0", 0)
	addOf(t, s, "ml", "w1", 0)
	is("two are due", testTime())
	addOf(t, s, "ml", "w2", 0)
	is("another is due", testTime())
	_, err := s.Begin(t.Context(), "d-w1", 0, testTime(), nil)
	require.NoError(t, err)
	is("one is under way", testTime())
	later := testTime().Add(time.Minute)
	require.NoError(t, s.Settle(t.Context(), "d-w1", store.Outcome{Attempt: 1, State: store.Pending, NextAt: later, At: testTime()}))
	is("one is due again", later)
	require.NoError(t, s.Settle(t.Context(), "d-w2", store.Outcome{State: store.Dead, At: later}))
	is("one is dead", later)
	_, err = s.Redrive(t.Context(), []string{"d-w2"}, later)
	require.NoError(t, err)
	is("one is redriven", later)
	for i := range store.LaneWindow - 3 {
		addOf(t, s, "ml", fmt.Sprint("x", i), 0)
		is("one more is due", later)
	}
}
