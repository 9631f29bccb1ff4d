package sqlite_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// addOf stores a watch of a project with a delivery of this count.
func addOf(t *testing.T, s *sqlite.Store, project, id string, count int) {
	t.Helper()
	w := testWatch(id)
	w.Execution.Project = project
	w, err := s.Register(t.Context(), w)
	require.NoError(t, err)
	d := testDelivery(id)
	d.Execution, d.Key = w.Execution, fmt.Sprintf("%s|failed|phase:FAILED|%d|send[0]", id, count)
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
}

func projectsDue(t *testing.T, s *sqlite.Store, limit int) (all []string) {
	t.Helper()
	due, err := s.Due(t.Context(), store.Lane{Connection: "team", Address: "#ml"}, testTime(), limit)
	require.NoError(t, err)
	for _, d := range due {
		all = append(all, d.Execution.Project+" "+d.ID)
	}
	return all
}

func TestProjectsTakeTurns(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 40 {
		addOf(t, s, "noisy", fmt.Sprintf("n%02d", i), 0)
	}
	addOf(t, s, "quiet", "q0", 0)
	addOf(t, s, "other", "o0", 0)
	addOf(t, s, "other", "o1", 0)
	require.Equal(t, []string{
		"noisy d-n00", "quiet d-q0", "other d-o0",
		"noisy d-n01", "other d-o1",
		"noisy d-n02", "noisy d-n03",
	}, projectsDue(t, s, 7))
	require.ElementsMatch(t, []string{"noisy d-n00", "quiet d-q0", "other d-o0"}, projectsDue(t, s, 3))
}

// sendDue settles what a look returns, and returns the projects of it.
func sendDue(t *testing.T, s *sqlite.Store, limit int) (projects []string) {
	t.Helper()
	for _, due := range projectsDue(t, s, limit) {
		project, id, _ := strings.Cut(due, " ")
		require.NoError(t, s.Settle(t.Context(), id, store.Outcome{State: store.Delivered, At: testTime()}))
		projects = append(projects, project)
	}
	return projects
}

// TestNoProjectIsForgotten has more projects wait than one look returns: their turns come all the same, though one of
// them has more than all others together, and older.
func TestNoProjectIsForgotten(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 80 {
		addOf(t, s, "noisy", fmt.Sprintf("n%02d", i), 0)
	}
	for i := range 60 {
		addOf(t, s, fmt.Sprint("p", i%20), fmt.Sprintf("w%02d", i), 0)
	}
	sent := map[string]int{}
	for range 22 { // three of the others each, but in the end
		for _, p := range sendDue(t, s, 4) {
			sent[p]++
		}
	}
	noisy := sent["noisy"]
	delete(sent, "noisy")
	require.Len(t, sent, 20)
	for p, n := range sent {
		require.Equal(t, 3, n, p)
	}
	require.LessOrEqual(t, noisy, 28)
}

// TestOldBacklogsAreNotAlwaysFirst has four projects refill what is oldest, as many as one look returns.
func TestOldBacklogsAreNotAlwaysFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 400 {
		addOf(t, s, fmt.Sprint("old", i%4), fmt.Sprintf("o%03d", i), 0)
	}
	for i := range 8 {
		addOf(t, s, fmt.Sprint("p", i), fmt.Sprintf("w%d", i), 0)
	}
	seen := map[string]bool{}
	for range 90 {
		for _, p := range sendDue(t, s, 4) {
			seen[p] = true
		}
	}
	require.Len(t, seen, 12)
}

func TestRemindersComeLast(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 20 {
		addOf(t, s, "noisy", fmt.Sprintf("r%02d", i), i+1)
	}
	addOf(t, s, "noisy", "n0", 0)
	addOf(t, s, "quiet", "r99", 1)
	require.Equal(t, []string{"noisy d-n0", "noisy d-r00", "quiet d-r99", "noisy d-r01"}, projectsDue(t, s, 4))
}

// TestALookReturnsAllThatItMay, whatever scope has it: as many sends are under way as may be.
func TestALookReturnsAllThatItMay(t *testing.T) {
	t.Parallel()
	for _, others := range []int{0, 1, 4, 9, 15, 16, 19} {
		s := open(t)
		for i := range 20 {
			addOf(t, s, "noisy", fmt.Sprintf("n%02d", i), 0)
			addOf(t, s, "reminded", fmt.Sprintf("r%02d", i), i+1)
		}
		for i := range others {
			addOf(t, s, fmt.Sprint("p", i), fmt.Sprintf("w%d", i), 0)
			addOf(t, s, fmt.Sprint("q", i), fmt.Sprintf("q%d", i), 1)
		}
		for i := range 10 { // whose try is to come
			addOf(t, s, fmt.Sprint("later", i), fmt.Sprintf("l%d", i), 0)
			again := store.Outcome{State: store.Pending, NextAt: testTime().Add(time.Hour), At: testTime()}
			require.NoError(t, s.Settle(t.Context(), fmt.Sprintf("d-l%d", i), again))
		}
		due := projectsDue(t, s, 16)
		require.Len(t, due, 16, others)
		for _, d := range due[:15] {
			require.Regexp(t, "^(noisy|p)", d, "what is new")
		}
		require.Regexp(t, "^(reminded|q)", due[15], "the reminder among many")
		require.Len(t, projectsDue(t, s, 60), min(60, 40+2*others), others)
	}
}

// TestAReminderIsAmongMany has more wait of what is new than one look returns.
func TestAReminderIsAmongMany(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 20 {
		addOf(t, s, "p", fmt.Sprintf("r%02d", i), 1)
		addOf(t, s, "p", fmt.Sprintf("n%02d", i), 0)
	}
	due := projectsDue(t, s, 16)
	require.Len(t, due, 16)
	require.Equal(t, []string{"p d-n14", "p d-r00"}, due[14:])
	require.NotContains(t, strings.Join(projectsDue(t, s, 9), " "), "d-r")
}
