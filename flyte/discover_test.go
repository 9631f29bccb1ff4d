package flyte_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func namesOf(found []flyte.Execution) []string {
	names := []string{}
	for _, x := range found {
		names = append(names, x.ID.Name)
	}
	slices.Sort(names)
	return names
}

func TestDiscoveryFindsWhatWasCreatedInAWindow(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	for i := range 5 {
		x := trained(fmt.Sprint("e", i))
		x.CreatedAt = created.Add(time.Duration(i) * time.Minute)
		s.Create(x)
	}
	s.SetPhase(execution("e1"), "SUCCEEDED")
	s.Archive(execution("e1"), true)
	c := newClient(t, s)
	find := func(from, to time.Time, limit int) ([]string, bool) {
		found, whole, err := c.Discover(t.Context(), production, from, to, limit)
		require.NoError(t, err)
		return namesOf(found), whole
	}
	names, whole := find(created.Add(time.Minute), created.Add(3*time.Minute), 100)
	require.Equal(t, []string{"e1", "e2"}, names, "archived or not, the end not among them")
	require.True(t, whole)
	names, whole = find(created, created.Add(time.Hour), 5)
	require.Len(t, names, 5)
	require.False(t, whole, "there may be more")
	names, whole = find(created, created.Add(time.Hour), 2)
	require.Len(t, names, 2)
	require.False(t, whole)
	for _, empty := range []time.Time{created, created.Add(-time.Minute)} {
		names, whole = find(created, empty, 5)
		require.Empty(t, names)
		require.True(t, whole)
	}
	require.Equal(t, 3, s.Calls()["ListExecutions"], "no call for an empty window")
	found, whole, err := c.Discover(t.Context(), flyte.Scope{Project: "ml"}, created, ended, 5)
	require.NoError(t, err)
	require.True(t, whole)
	require.Empty(t, found)
	_, _, err = c.Discover(t.Context(), production, created, ended, 0)
	require.ErrorContains(t, err, "limit must be positive")
}

func TestDiscoveryTellsTheFactsButForLongErrors(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.SetPhase(execution("a"), "RUNNING", flytesim.At(started))
	s.SetPhase(execution("a"), "FAILED", flytesim.At(ended), flytesim.Error("USER", "E", strings.Repeat("x", 200)))
	want := facts("a")
	want.Phase, want.StartedAt, want.EndedAt, want.Duration = "FAILED", started, ended, 2*time.Hour
	want.Error = flyte.ExecutionError{Kind: "USER", Code: "E", Message: strings.Repeat("x", 100)}
	found, _, err := newClient(t, s).Discover(t.Context(), production, created, ended, 10)
	require.NoError(t, err)
	require.Equal(t, []flyte.Execution{want}, found)
}

func TestDiscoveryTakesSmallerPagesOfLargeExecutions(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	for i := range 10 {
		x := trained(fmt.Sprint("e", i))
		x.Labels = map[string]string{"big": strings.Repeat("x", 1<<20)}
		s.Create(x)
	}
	found, whole, err := newClient(t, s).Discover(t.Context(), production, created, ended, 10)
	require.NoError(t, err)
	require.False(t, whole)
	require.Len(t, found, 2, "of 10, 5 and 2 only the last fit into 4 MiB")
}

func TestALateExecutionIsFoundByAWindowThatOverlaps(t *testing.T) {
	t.Parallel()
	now := created
	s := flytesim.New(flytesim.WithClock(func() time.Time { return now }))
	x := trained("late")
	x.Late = 10 * time.Second
	s.Create(x)
	c := newClient(t, s)
	now = created.Add(5 * time.Second)
	found, whole, err := c.Discover(t.Context(), production, created, now, 10)
	require.NoError(t, err)
	require.True(t, whole)
	require.Empty(t, found)
	now = created.Add(10 * time.Second)
	found, _, err = c.Discover(t.Context(), production, created.Add(5*time.Second), now, 10)
	require.NoError(t, err)
	require.Empty(t, found, "a window that only touches misses it for good")
	found, _, err = c.Discover(t.Context(), production, created.Add(-5*time.Second), now, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"late"}, namesOf(found))
}

// TestWindowsThatTouchFindEachExecutionOnce splits a day anywhere, between microseconds too.
func TestWindowsThatTouchFindEachExecutionOnce(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	want := []string{}
	for i := range 20 {
		x := trained(fmt.Sprintf("e%02d", i))
		x.CreatedAt = created.Add(time.Duration(i) * 333 * time.Nanosecond)
		s.Create(x)
		want = append(want, x.ID.Name)
	}
	c := newClient(t, s)
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfN(rapid.Int64Range(0, 20*333), 0, 3).Draw(t, "cuts")
		slices.Sort(cuts)
		from, all := created.Add(-time.Microsecond), []string{}
		for _, cut := range append(cuts, int64(time.Second)) {
			to := created.Add(time.Duration(cut))
			found, whole, err := c.Discover(t.Context(), production, from, to, 100)
			require.NoError(t, err)
			require.True(t, whole)
			all = append(all, namesOf(found)...)
			from = to
		}
		slices.Sort(all)
		require.Equal(t, want, all)
	})
}
