package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func membershipCases() []testCase {
	return []testCase{
		{"a server alone holds everything", memberAlone},
		{"what left holds nothing, and may join again", memberLeaves},
		{"servers share fairly, and nothing is held twice", membersShare},
	}
}

func join(t *testing.T, s store.Store) store.Membership {
	t.Helper()
	m, err := s.Join(t.Context())
	require.NoError(t, err)
	t.Cleanup(m.Leave) // it may be left again
	return m
}

// hold calls Hold of every member a few times, as they do once a second, and returns what each holds
// in the end. At no time is a shard held by two.
func hold(t *testing.T, all []flyte.Shard, members ...store.Membership) [][]flyte.Shard {
	t.Helper()
	held := make([][]flyte.Shard, len(members))
	for range 4 {
		for i, m := range members {
			now, count, err := m.Hold(t.Context(), all)
			require.NoError(t, err)
			require.Equal(t, len(members), count)
			held[i] = now
			seen := map[flyte.Shard]bool{}
			for _, shards := range held {
				for _, sh := range shards {
					require.False(t, seen[sh], "%s has two holders", sh)
					seen[sh] = true
				}
			}
		}
	}
	return held
}

// several are shards of two scopes.
func several() []flyte.Shard {
	return []flyte.Shard{part(0, 4), part(1, 4), part(2, 4), part(3, 4), whole(flyte.Scope{Project: "z", Domain: "d"})}
}

func memberAlone(t *testing.T, s store.Store) {
	m := join(t, s)
	require.ElementsMatch(t, several(), hold(t, several(), m)[0])
	require.ElementsMatch(t, several()[:2], hold(t, several()[:2], m)[0], "what there is no more is given up")
	require.Empty(t, hold(t, nil, m)[0])
	require.ElementsMatch(t, several(), hold(t, several(), m)[0])
}

func memberLeaves(t *testing.T, s store.Store) {
	first := join(t, s)
	require.ElementsMatch(t, several(), hold(t, several(), first)[0])
	first.Leave()
	first.Leave()
	require.ElementsMatch(t, several(), hold(t, several(), join(t, s))[0])
}

func membersShare(t *testing.T, s store.Store) {
	if _, ok := s.(store.Queue); !ok {
		t.Skip("this engine has one server")
	}
	a := join(t, s)
	require.Len(t, hold(t, several(), a)[0], 5)
	b := join(t, s)
	_, _, err := b.Hold(t.Context(), several())
	require.NoError(t, err)
	_, _, err = a.Hold(t.Context(), several()) // gives up its surplus
	require.NoError(t, err)
	held := hold(t, several(), a, b)
	require.ElementsMatch(t, several(), append(held[0], held[1]...))
	require.InDelta(t, len(held[0]), len(held[1]), 1)
	a.Leave()
	require.Len(t, hold(t, several(), b)[0], 5)
}
