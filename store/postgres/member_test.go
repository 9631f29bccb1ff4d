package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func flyteShard() flyte.Shard { return flyte.Shard{Scope: testScope(), Of: 1} }

// someShards are so many shards of one scope each.
func someShards(n int) []flyte.Shard {
	var all []flyte.Shard
	for i := range n {
		all = append(all, flyte.Shard{Scope: flyte.Scope{Project: fmt.Sprintf("p%02d", i), Domain: "production"}, Of: 1})
	}
	return all
}

func join(t *testing.T, s store.Store) store.Membership {
	t.Helper()
	m, err := s.Join(t.Context())
	require.NoError(t, err)
	t.Cleanup(m.Leave)
	return m
}

// round asks every member once, and returns how many shards each holds. No shard is held twice.
func round(t *testing.T, all []flyte.Shard, members ...store.Membership) []int {
	t.Helper()
	seen := map[flyte.Shard]bool{}
	var counts []int
	for _, m := range members {
		held, _, err := m.Hold(t.Context(), all)
		require.NoError(t, err)
		counts = append(counts, len(held))
		for _, sh := range held {
			require.False(t, seen[sh], "shard %s has two holders", sh)
			seen[sh] = true
		}
	}
	return counts
}

// settleDown goes on until the members hold so many, in any order.
func settleDown(t *testing.T, all []flyte.Shard, want []int, members ...store.Membership) {
	t.Helper()
	var got []int
	for range 10 {
		got = nil
		for _, m := range members {
			held, n, err := m.Hold(t.Context(), all)
			require.NoError(t, err)
			require.Equal(t, len(members), n)
			got = append(got, len(held))
		}
	}
	require.ElementsMatch(t, want, got)
	require.ElementsMatch(t, want, round(t, all, members...))
}

func TestShardsAreSpreadOverServers(t *testing.T) {
	t.Parallel()
	url := empty(t)
	all := someShards(10)
	a := join(t, openAt(t, url))
	require.Equal(t, []int{10}, round(t, all, a))
	b := join(t, openAt(t, url))
	settleDown(t, all, []int{5, 5}, a, b)
	c := join(t, openAt(t, url))
	settleDown(t, all, []int{4, 3, 3}, a, b, c)
	settleDown(t, all[:2], []int{1, 1, 0}, a, b, c)
	settleDown(t, all, []int{4, 3, 3}, a, b, c)
	b.Leave()
	settleDown(t, all, []int{5, 5}, a, c)
	_, _, err := b.Hold(t.Context(), all)
	require.Error(t, err)
	b.Leave()
	settleDown(t, nil, []int{0, 0}, a, c)
}

func TestShardsOfADeadServerMoveAtOnce(t *testing.T) {
	t.Parallel()
	url := empty(t)
	conn, all := connect(t, url), someShards(9)
	a, b := join(t, openAt(t, url)), join(t, openAt(t, url))
	living := memberBackends(t, conn)
	dead := join(t, openAt(t, url))
	settleDown(t, all, []int{3, 3, 3}, a, b, dead)
	for _, pid := range memberBackends(t, conn) {
		if !slices.Contains(living, pid) {
			// Once it has ended, and not when it is asked to: its locks go last.
			require.True(t, value[bool](t, conn, "SELECT pg_terminate_backend($1, 10000)", pid))
		}
	}
	require.Equal(t, living, memberBackends(t, conn))
	_, _, err := dead.Hold(t.Context(), all)
	require.Error(t, err)
	settleDown(t, all, []int{5, 4}, a, b)
	_, _, err = dead.Hold(t.Context(), all)
	require.Error(t, err, "its membership is over for good")
}

// memberBackends are the processes of Postgres that serve members, sorted: they alone share a lock.
func memberBackends(t *testing.T, conn *pgx.Conn) []int32 {
	t.Helper()
	return value[[]int32](t, conn, `SELECT coalesce(array_agg(pid ORDER BY pid), '{}') FROM pg_locks
		WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}

func TestMembershipEndsWithTheServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{NoSync: true})
	s := openAt(t, server.Database(t))
	m := join(t, s)
	require.Equal(t, []int{4}, round(t, someShards(4), m))
	require.NoError(t, server.Restart(t.Context(), pgtest.Immediate))
	_, _, err := m.Hold(t.Context(), someShards(4))
	require.Error(t, err)
	require.Equal(t, []int{4}, round(t, someShards(4), join(t, s)))
}

// TestFrozenServerLosesItsShards has a server that does not ask any more, though its connection lives.
func TestFrozenServerLosesItsShards(t *testing.T) {
	t.Parallel()
	url := empty(t)
	all := someShards(4)
	frozen := join(t, openAt(t, url))
	require.Equal(t, []int{4}, round(t, all, frozen))
	m := join(t, openAt(t, url))
	require.Eventually(t, func() bool {
		held, members, err := m.Hold(t.Context(), all)
		return err == nil && members == 1 && len(held) == 4
	}, 30*time.Second, time.Second)
}

func TestClosingLeaves(t *testing.T) {
	t.Parallel()
	url := empty(t)
	all := someShards(4)
	closing := openAt(t, url)
	require.Equal(t, []int{4}, round(t, all, join(t, closing)))
	m := join(t, openAt(t, url))
	require.NoError(t, closing.Close())
	require.Equal(t, []int{4}, round(t, all, m))
	_, err := closing.Join(t.Context())
	require.Error(t, err)
}

func TestEarlierTenureIsFenced(t *testing.T) {
	t.Parallel()
	url := empty(t)
	old, late := openAt(t, url), openAt(t, url)
	sh, at := flyteShard(), flyte.Cursor{Since: testTime(), Overlap: 15 * time.Second}
	first, _, err := old.Claim(t.Context(), sh)
	require.NoError(t, err)
	require.NoError(t, old.Advance(t.Context(), sh, first, at))
	second, c, err := late.Claim(t.Context(), sh)
	require.NoError(t, err)
	require.Greater(t, second, first)
	require.Equal(t, at, c)
	require.ErrorIs(t, old.Advance(t.Context(), sh, first, flyte.Cursor{Since: testTime().Add(time.Hour)}), store.ErrConflict)
	require.NoError(t, late.Advance(t.Context(), sh, second, flyte.Cursor{Since: testTime().Add(time.Minute)}))
	require.NoError(t, old.Split(t.Context(), sh.Scope, 4))
	require.ErrorIs(t, late.Advance(t.Context(), sh, second, at), store.ErrConflict)
}
