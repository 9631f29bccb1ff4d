package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func shardCases() []testCase {
	return []testCase{
		{"shards appear and vanish with their scope's names", shardsComeAndGo},
		{"a split scope has its shards, with names or without", shardsSplit},
		{"every name is in one shard, in pages", shardNames},
		{"a claim begins a tenure above all earlier ones", claimEpochs},
		{"a cursor comes back as it was taken", claimCursor},
		{"a tenure that is over advances nothing", advanceFenced},
		{"shards and scopes are claimed apart", claimApart},
		{"a split keeps cursors and fences what was", splitKeeps},
		{"a split to fewer shards or none changes nothing", splitRefused},
		{"one tenure of many that begin at once is the last", raceClaim},
	}
}

// part is a shard of the tests' scope.
func part(index, of int) flyte.Shard { return flyte.Shard{Scope: scope(), Index: index, Of: of} }

func split(t *testing.T, s store.Store, sc flyte.Scope, of int) {
	t.Helper()
	require.NoError(t, s.Split(t.Context(), sc, of))
}

func claim(t *testing.T, s store.Store, sh flyte.Shard) (epoch int64, c flyte.Cursor) {
	t.Helper()
	epoch, c, err := s.Claim(t.Context(), sh)
	require.NoError(t, err)
	require.Positive(t, epoch)
	return epoch, c
}

// taken is a cursor of some seconds after start.
func taken(seconds int) flyte.Cursor {
	return flyte.Cursor{Since: after(seconds), Overlap: 15 * time.Second}
}

func requireCursor(t require.TestingT, want, got flyte.Cursor) {
	require.True(t, want.Since.Equal(got.Since), "want %s, got %s", want.Since, got.Since)
	require.Equal(t, want.Overlap, got.Overlap)
}

func shardsComeAndGo(t *testing.T, s store.Store) {
	register(t, s, watch("a"))
	own := flyte.ExecutionID{Scope: flyte.Scope{Project: "own", Domain: "d"}, Name: "task"}
	register(t, s, watch("b", waiting(own)))
	require.Equal(t, []flyte.Shard{part(0, 1), whole(own.Scope)}, shards(t, s))

	require.NoError(t, s.Cancel(t.Context(), "b", 0, "aborted", after(1)))
	require.Equal(t, []flyte.Shard{part(0, 1)}, shards(t, s))
	a := readWatch(t, s, "a")
	a.State, a.EndedAt = store.Ended, after(2)
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: a}))
	require.Equal(t, []flyte.Shard{part(0, 1)}, shards(t, s), "a phase may go back")
	purge(t, s, after(3), after(3), 10)
	require.Empty(t, shards(t, s))
	register(t, s, watch("c"))
	require.Equal(t, []flyte.Shard{part(0, 1)}, shards(t, s))
}

func shardsSplit(t *testing.T, s store.Store) {
	register(t, s, watch("a"))
	other := flyte.Scope{Project: "other", Domain: "d"}
	register(t, s, watch("b", func(w *store.Watch) { w.Execution.Scope = other }))
	split(t, s, scope(), 4)
	split(t, s, flyte.Scope{Project: "empty", Domain: "d"}, 2)
	want := []flyte.Shard{part(0, 4), part(1, 4), part(2, 4), part(3, 4), whole(other)}
	require.Equal(t, want, shards(t, s))
	split(t, s, scope(), flyte.Buckets)
	require.Len(t, shards(t, s), flyte.Buckets+1)
}

func shardNames(t *testing.T, s store.Store) {
	for i, id := range numbered("w", 60) {
		switch i % 3 {
		case 0:
			register(t, s, watch(id))
		case 1:
			register(t, s, watch(id, in(store.Ended, after(i))))
		case 2:
			register(t, s, watch(id, waiting(execution("own-"+id))))
		}
	}
	all := names(t, s, scope(), after(30), "", 1000)
	require.Len(t, all, 20+10+40)
	for _, of := range []int{2, 8, flyte.Buckets} {
		var got []string
		for index := range of {
			page := pages(t, s, part(index, of), after(30), 3)
			for _, name := range page {
				require.True(t, part(index, of).Has(name), "%s is not in shard %d of %d", name, index, of)
			}
			got = append(got, page...)
		}
		require.Equal(t, all, got, "%d shards", of)
	}
}

// pages reads a shard's names so many at a time.
func pages(t *testing.T, s store.Store, sh flyte.Shard, ended time.Time, limit int) (all []string) {
	t.Helper()
	for last := ""; ; last = all[len(all)-1] {
		page, err := s.Names(t.Context(), sh, ended, last, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), limit)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
	}
}

func claimEpochs(t *testing.T, s store.Store) {
	last := int64(0)
	for range 5 {
		epoch, c := claim(t, s, part(0, 1))
		require.Greater(t, epoch, last)
		require.Zero(t, c, "nothing was taken")
		last = epoch
	}
	require.Empty(t, shards(t, s), "a claim makes no names")
	_, _, err := s.Claim(t.Context(), part(1, 2))
	require.ErrorIs(t, err, store.ErrConflict, "there is no such shard")
	split(t, s, scope(), 2)
	_, _, err = s.Claim(t.Context(), part(0, 1))
	require.ErrorIs(t, err, store.ErrConflict, "there no longer is")
	epoch, _ := claim(t, s, part(0, 2))
	require.Greater(t, epoch, last)
}

func claimCursor(t *testing.T, s store.Store) {
	epoch, _ := claim(t, s, part(0, 1))
	for _, c := range []flyte.Cursor{
		taken(1), taken(0), // a clock went back
		{Since: after(5)},
		{Since: after(5), Overlap: time.Nanosecond},
		{Since: after(5), Overlap: 400 * time.Hour},
		{Since: after(6).In(time.FixedZone("east", 3600)), Overlap: time.Minute},
	} {
		require.NoError(t, s.Advance(t.Context(), part(0, 1), epoch, c))
		var got flyte.Cursor
		epoch, got = claim(t, s, part(0, 1))
		requireCursor(t, c, got)
		require.Equal(t, time.UTC, got.Since.Location())
	}
}

func advanceFenced(t *testing.T, s store.Store) {
	require.ErrorIs(t, s.Advance(t.Context(), part(0, 1), 1, taken(1)), store.ErrConflict, "nobody claimed it")
	first, _ := claim(t, s, part(0, 1))
	require.NoError(t, s.Advance(t.Context(), part(0, 1), first, taken(1)))
	second, c := claim(t, s, part(0, 1))
	requireCursor(t, taken(1), c)
	require.ErrorIs(t, s.Advance(t.Context(), part(0, 1), first, taken(9)), store.ErrConflict)
	require.ErrorIs(t, s.Advance(t.Context(), part(0, 1), second+1, taken(9)), store.ErrConflict)
	require.NoError(t, s.Advance(t.Context(), part(0, 1), second, taken(2)))
	require.NoError(t, s.Advance(t.Context(), part(0, 1), second, taken(2)), "again without harm")
	_, c = claim(t, s, part(0, 1))
	requireCursor(t, taken(2), c)
}

func claimApart(t *testing.T, s store.Store) {
	split(t, s, scope(), 2)
	other := flyte.Scope{Org: "o", Project: "ml", Domain: "production"}
	for i, sh := range []flyte.Shard{part(0, 2), part(1, 2), whole(other)} {
		epoch, c := claim(t, s, sh)
		require.Zero(t, c)
		require.NoError(t, s.Advance(t.Context(), sh, epoch, taken(i+1)))
	}
	for i, sh := range []flyte.Shard{part(0, 2), part(1, 2), whole(other)} {
		_, c := claim(t, s, sh)
		requireCursor(t, taken(i+1), c)
	}
}

func splitKeeps(t *testing.T, s store.Store) {
	old, _ := claim(t, s, part(0, 1))
	require.NoError(t, s.Advance(t.Context(), part(0, 1), old, taken(1)))
	split(t, s, scope(), 2)
	require.ErrorIs(t, s.Advance(t.Context(), part(0, 1), old, taken(9)), store.ErrConflict)

	left, c := claim(t, s, part(0, 2))
	requireCursor(t, taken(1), c)
	require.Greater(t, left, old)
	require.NoError(t, s.Advance(t.Context(), part(0, 2), left, taken(5)))
	split(t, s, scope(), 8)
	for index := range 8 {
		_, c := claim(t, s, part(index, 8))
		want := taken(5)
		if index >= 4 {
			want = taken(1)
		}
		requireCursor(t, want, c)
	}
}

func splitRefused(t *testing.T, s store.Store) {
	register(t, s, watch("a"))
	split(t, s, scope(), 1)
	require.Equal(t, []flyte.Shard{part(0, 1)}, shards(t, s))
	split(t, s, scope(), 4)
	epoch, _ := claim(t, s, part(3, 4))
	for _, of := range []int{1, 2, 4} {
		split(t, s, scope(), of)
		require.NoError(t, s.Advance(t.Context(), part(3, 4), epoch, taken(of)))
	}
	for _, of := range []int{-1, 0, 3, 6, flyte.Buckets * 2} {
		require.Error(t, s.Split(t.Context(), scope(), of), "%d shards", of)
	}
	require.Len(t, shards(t, s), 4)
}

func raceClaim(t *testing.T, s store.Store) {
	epochs := make([]int64, 40)
	together(t, len(epochs), func(i int) (err error) {
		if i == 20 {
			return s.Split(t.Context(), scope(), 1)
		}
		epochs[i], _, err = s.Claim(t.Context(), part(0, 1))
		return err
	})
	last := slices.Max(epochs)
	slices.Sort(epochs)
	require.Len(t, slices.Compact(epochs), 40, "each of the 39 has its own")
	together(t, 40, func(i int) error {
		err := s.Advance(t.Context(), part(0, 1), epochs[i], taken(int(epochs[i])))
		if won := err == nil; won != (epochs[i] == last) || !won && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("epoch %d of %d: %w", epochs[i], last, err)
		}
		return nil
	})
	_, c := claim(t, s, part(0, 1))
	requireCursor(t, taken(int(last)), c)
}
