package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func feedCases() []testCase {
	return []testCase{
		{"an empty store feeds nothing", feedEmpty},
		{"names are those of active and lately ended watches", feedNames},
		{"names of waiting tasks' own executions", feedOwn},
		{"names come once, sorted, in pages", feedPages},
		{"shards are those of scopes that have names, sorted", feedScopes},
		{"scopes are told apart by org, project and domain", feedScopeParts},
		{"by name finds the watches behind names", feedByName},
		{"by name takes many names", feedByManyNames},
		{"fresh watches are those without a phase, oldest first", feedFresh},
		{"node watches are paged by id", feedNodes},
	}
}

func names(t *testing.T, s store.Store, sc flyte.Scope, ended time.Time, after string, limit int) []string {
	t.Helper()
	all, err := s.Names(t.Context(), whole(sc), ended, after, limit)
	require.NoError(t, err)
	return all
}

// whole is a scope in one shard.
func whole(sc flyte.Scope) flyte.Shard { return flyte.Shard{Scope: sc, Of: 1} }

// byBucket are names in the order of a poll.
func byBucket(names ...string) []string {
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(flyte.Bucket(a), flyte.Bucket(b)), cmp.Compare(a, b))
	})
	return names
}

// shards returns all shards of the store.
func shards(t *testing.T, s store.Store) []flyte.Shard {
	t.Helper()
	all, err := s.Shards(t.Context())
	require.NoError(t, err)
	return all
}

// in puts a watch into a state that it reached at this time.
func in(state store.WatchState, when time.Time) func(*store.Watch) {
	return func(w *store.Watch) { w.State, w.EndedAt, w.Phase = state, when, "FAILED" }
}

// waiting makes a watch that of a task that waits in an execution.
func waiting(own flyte.ExecutionID) func(*store.Watch) {
	return func(w *store.Watch) { w.Wait, w.Own = true, own }
}

func feedEmpty(t *testing.T, s store.Store) {
	require.Empty(t, shards(t, s))
	require.Empty(t, names(t, s, scope(), time.Time{}, "", 10))
	watches, err := s.ByName(t.Context(), scope(), time.Time{}, []string{"x"})
	require.NoError(t, err)
	require.Empty(t, watches)
	watches, err = s.ByName(t.Context(), scope(), time.Time{}, nil)
	require.NoError(t, err)
	require.Empty(t, watches)
	for _, kind := range []store.Kind{store.Follow, store.Send} {
		watches, err = s.Fresh(t.Context(), kind, 10)
		require.NoError(t, err)
		require.Empty(t, watches)
	}
	watches, err = s.Nodes(t.Context(), "", 10)
	require.NoError(t, err)
	require.Empty(t, watches)
}

func feedNames(t *testing.T, s store.Store) {
	register(t, s, watch("active"))
	register(t, s, watch("node", func(w *store.Watch) { w.Node = "n0" }))
	register(t, s, watch("seen", func(w *store.Watch) { w.Phase = "RUNNING" }))
	register(t, s, watch("ended", in(store.Ended, after(10))))
	register(t, s, watch("cancelled", in(store.Cancelled, after(10))))
	register(t, s, watch("lost", in(store.Lost, after(10))))
	register(t, s, watch("send", func(w *store.Watch) { w.Kind = store.Send }))
	register(t, s, watch("sent", func(w *store.Watch) { w.Kind = store.Send }, in(store.Ended, after(10))))

	active := byBucket("x-active", "x-node", "x-seen")
	both := byBucket("x-active", "x-ended", "x-node", "x-seen")
	require.Equal(t, both, names(t, s, scope(), time.Time{}, "", 10))
	require.Equal(t, both, names(t, s, scope(), after(9), "", 10))
	require.Equal(t, both, names(t, s, scope(), after(10), "", 10), "since includes the time itself")
	require.Equal(t, active, names(t, s, scope(), after(11), "", 10))
}

func feedOwn(t *testing.T, s store.Store) {
	elsewhere := flyte.ExecutionID{Scope: flyte.Scope{Project: "other", Domain: "development"}, Name: "task"}
	register(t, s, watch("w1", waiting(elsewhere)))
	register(t, s, watch("w2", waiting(execution("own2"))))
	register(t, s, watch("self", func(w *store.Watch) { w.Own = execution("notwaiting") }))
	register(t, s, watch("bare", func(w *store.Watch) { w.Wait = true }))
	register(t, s, watch("send", waiting(execution("sender")), func(w *store.Watch) { w.Kind = store.Send }))
	register(t, s, watch("done", waiting(execution("over")), in(store.Ended, after(1))))

	require.Equal(t, []string{"task"}, names(t, s, elsewhere.Scope, after(2), "", 10))
	require.Equal(t, byBucket("own2", "sender", "x-bare", "x-self", "x-w1", "x-w2"), names(t, s, scope(), after(2), "", 10))
	require.Empty(t, names(t, s, flyte.Scope{}, time.Time{}, "", 10), "no execution is in no scope")

	require.NoError(t, s.Cancel(t.Context(), "w2", 0, "aborted", after(3)))
	require.NotContains(t, names(t, s, scope(), after(4), "", 10), "own2")
}

func feedPages(t *testing.T, s store.Store) {
	ids := numbered("w", 23)
	for i, id := range slices.Backward(ids) {
		register(t, s, watch(id))
		register(t, s, watch(id+"-again", func(w *store.Watch) { w.Execution = execution("x-" + id) }))
		if i%3 == 0 {
			register(t, s, watch(id+"-ended", in(store.Ended, after(1)), func(w *store.Watch) { w.Execution = execution("x-" + id) }))
			register(t, s, watch(id+"-waits", waiting(execution("x-"+id))))
		}
	}
	all := names(t, s, scope(), time.Time{}, "", 1000)
	require.Len(t, all, 23+8, "the executions, and those that the waiting ones watch")
	require.Equal(t, byBucket(slices.Clone(all)...), all)
	require.Equal(t, all, slices.Compact(slices.Clone(all)))

	for _, limit := range []int{1, 7, 31, 32} {
		var got []string
		for last := ""; ; last = got[len(got)-1] {
			page := names(t, s, scope(), time.Time{}, last, limit)
			require.LessOrEqual(t, len(page), limit)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		require.Equal(t, all, got, "limit %d", limit)
	}
	require.Empty(t, names(t, s, scope(), time.Time{}, "", 0))
	require.Empty(t, names(t, s, scope(), time.Time{}, "", -1))
	require.Empty(t, names(t, s, scope(), time.Time{}, all[len(all)-1], 10))
}

func feedScopes(t *testing.T, s store.Store) {
	put := func(id, project string, edits ...func(*store.Watch)) {
		where := func(w *store.Watch) { w.Execution.Project = project }
		register(t, s, watch(id, slices.Insert(edits, 0, where)...))
	}
	put("1", "b")
	put("2", "a")
	put("3", "a")
	put("4", "ended", in(store.Ended, after(1)))
	put("5", "lost", in(store.Lost, after(1)))
	put("6", "cancelled", in(store.Cancelled, after(1)))
	put("7", "send", func(w *store.Watch) { w.Kind = store.Send })
	own := flyte.ExecutionID{Scope: flyte.Scope{Project: "own", Domain: "development"}, Name: "task"}
	put("8", "a", waiting(own))
	put("9", "a", waiting(flyte.ExecutionID{Scope: flyte.Scope{Project: "z", Domain: "over"}, Name: "t"}), in(store.Ended, after(1)))

	require.Equal(t, []flyte.Shard{
		whole(flyte.Scope{Project: "a", Domain: "production"}),
		whole(flyte.Scope{Project: "b", Domain: "production"}),
		whole(flyte.Scope{Project: "ended", Domain: "production"}),
		whole(own.Scope),
	}, shards(t, s))
}

func feedScopeParts(t *testing.T, s store.Store) {
	all := []flyte.Scope{
		{Project: "a", Domain: "d"},
		{Project: "a", Domain: "e"},
		{Project: "b", Domain: "d"},
		{Org: "o", Project: "a", Domain: "d"},
		{Org: "o", Project: "a", Domain: "e"},
		{Org: "p", Project: "", Domain: "d"},
	}
	for i, sc := range slices.Backward(all) {
		register(t, s, watch(fmt.Sprint(i), func(w *store.Watch) { w.Execution.Scope = sc }))
	}
	require.Len(t, shards(t, s), len(all))
	for i, sc := range all {
		require.Equal(t, whole(sc), shards(t, s)[i])
		require.Equal(t, []string{fmt.Sprintf("x-%d", i)}, names(t, s, sc, time.Time{}, "", 10))
		watches, err := s.ByName(t.Context(), sc, time.Time{}, []string{"x-0", "x-1", "x-2", "x-3", "x-4", "x-5"})
		require.NoError(t, err)
		require.Equal(t, []string{fmt.Sprint(i)}, watchIDs(watches))
	}
}

func feedByName(t *testing.T, s store.Store) {
	same := func(w *store.Watch) { w.Execution = execution("x") }
	want := register(t, s, watch("active", same))
	register(t, s, watch("node", same, func(w *store.Watch) { w.Node = "n1" }))
	register(t, s, watch("ended", same, in(store.Ended, after(10))))
	register(t, s, watch("lost", same, in(store.Lost, after(10))))
	register(t, s, watch("cancelled", same, in(store.Cancelled, after(10))))
	register(t, s, watch("send", same, func(w *store.Watch) { w.Kind = store.Send }))
	register(t, s, watch("other"))
	register(t, s, watch("runs-in", waiting(execution("x"))))
	register(t, s, watch("both", same, waiting(execution("x"))))
	register(t, s, watch("runs-unwaiting", func(w *store.Watch) { w.Own = execution("x") }))
	register(t, s, watch("ran-in", waiting(execution("x")), in(store.Ended, after(10))))

	find := func(ended time.Time, names ...string) []string {
		watches, err := s.ByName(t.Context(), scope(), ended, names)
		require.NoError(t, err)
		if len(watches) > 0 && watches[0].ID == "active" {
			equal(t, want, watches[0])
		}
		return watchIDs(watches)
	}
	require.ElementsMatch(t, []string{"active", "node", "ended", "runs-in", "both"}, find(after(10), "x"))
	require.ElementsMatch(t, []string{"active", "node", "runs-in", "both"}, find(after(11), "x"))
	require.ElementsMatch(t, []string{"active", "node", "runs-in", "both", "other"}, find(after(11), "x-other", "x", "x", "none"))
	require.Empty(t, find(after(11), "none"))
}

func feedByManyNames(t *testing.T, s store.Store) {
	var ask []string
	ids := numbered("w", 40)
	for _, id := range ids {
		register(t, s, watch(id, waiting(execution("own-"+id))))
	}
	for i := range 1300 {
		ask = append(ask, fmt.Sprintf("nobody-%d", i))
	}
	for i, id := range ids {
		ask = slices.Insert(ask, i*30, "x-"+id)
		ask = append(ask, "own-"+id)
	}
	watches, err := s.ByName(t.Context(), scope(), time.Time{}, ask)
	require.NoError(t, err)
	require.ElementsMatch(t, ids, watchIDs(watches), "each once, though asked for by two names far apart")
}

func feedFresh(t *testing.T, s store.Store) {
	for _, id := range []string{"c", "a", "b"} {
		register(t, s, watch(id))
		register(t, s, watch("s"+id, func(w *store.Watch) { w.Kind = store.Send }))
	}
	register(t, s, watch("seen", func(w *store.Watch) { w.Phase = "QUEUED" }))
	register(t, s, watch("ended", func(w *store.Watch) { w.State, w.EndedAt = store.Ended, after(1) }))
	fresh := func(k store.Kind, limit int) []string {
		watches, err := s.Fresh(t.Context(), k, limit)
		require.NoError(t, err)
		return watchIDs(watches)
	}
	require.Equal(t, []string{"c", "a", "b"}, fresh(store.Follow, 10))
	require.Equal(t, []string{"sc", "sa", "sb"}, fresh(store.Send, 10))
	require.Equal(t, []string{"c", "a"}, fresh(store.Follow, 2))
	require.Empty(t, fresh(store.Follow, 0))

	c := readWatch(t, s, "c")
	c.Phase = "RUNNING"
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: c}))
	require.NoError(t, s.Cancel(t.Context(), "a", 0, "aborted", after(1)))
	require.Equal(t, []string{"b"}, fresh(store.Follow, 10))
}

func feedNodes(t *testing.T, s store.Store) {
	node := func(w *store.Watch) { w.Node = "n0" }
	for _, id := range []string{"d", "b", "a", "c"} {
		register(t, s, watch(id, node))
	}
	register(t, s, watch("plain"))
	register(t, s, watch("ended", node, in(store.Ended, after(1))))
	register(t, s, watch("send", node, func(w *store.Watch) { w.Kind = store.Send }))
	nodes := func(after string, limit int) []string {
		watches, err := s.Nodes(t.Context(), after, limit)
		require.NoError(t, err)
		return watchIDs(watches)
	}
	require.Equal(t, []string{"a", "b", "c", "d"}, nodes("", 10))
	require.Equal(t, []string{"a", "b"}, nodes("", 2))
	require.Equal(t, []string{"c", "d"}, nodes("b", 2))
	require.Empty(t, nodes("d", 2))
	require.Empty(t, nodes("", 0))
}
