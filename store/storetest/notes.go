package storetest

import (
	"cmp"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func noteCases() []testCase {
	return []testCase{
		{"a note comes back as it was written", noteWhole},
		{"a note is inserted, rewritten and removed", noteLife},
		{"a note that changed meanwhile is refused with all else", noteGuards},
		{"a move with a note that changed meanwhile writes nothing", noteMoves},
		{"notes are found by keys, many at once", noteKeys},
		{"notes are listed by key", noteListed},
		{"notes are found by what they are about", noteAbout},
		{"due notes come by time and key, page by page", noteDue},
		{"notes go with their watch", notePurged},
		{"what no store can write is refused", noteRefused},
		{"texts of any letters and large bodies come back", noteValues},
		{"texts that are none do no harm to notes", noteBroken},
		{"of many that write a note one wins, and takes no other with it", noteRaces},
		{"of many that insert notes in any order one wins each", noteInserts},
	}
}

// note is one of kind "progress" about an execution of the same name as its key.
func note(key string, edits ...func(*store.Note)) store.Note {
	n := store.Note{Kind: "progress", Key: key, Execution: execution("x-" + key), Body: json.RawMessage(`{"fired": {"failed": 1}}`)}
	for _, edit := range edits {
		edit(&n)
	}
	return n
}

// dueAt sets when a note is due.
func dueAt(when time.Time) func(*store.Note) { return func(n *store.Note) { n.Due = when } }

// ofWatch makes a note go with a watch.
func ofWatch(id string) func(*store.Note) { return func(n *store.Note) { n.WatchID = id } }

// version sets which version of a note a write replaces.
func version(v int64) func(*store.Note) { return func(n *store.Note) { n.Version = v } }

func removed(n *store.Note) { n.Removed = true }

// write does a change of notes, an hour after the start.
func write(t *testing.T, s store.Store, all ...store.Note) {
	t.Helper()
	require.NoError(t, s.Write(t.Context(), store.Change{At: after(3600), Notes: all}))
}

// readNotes returns the notes of a kind with these keys, by key.
func readNotes(t *testing.T, s store.Store, kind string, keys ...string) []store.Note {
	t.Helper()
	all, err := s.Notes(t.Context(), kind, keys)
	require.NoError(t, err)
	slices.SortFunc(all, func(a, b store.Note) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

func noteKeysOf(all []store.Note) []string {
	keys := make([]string, 0, len(all))
	for _, n := range all {
		keys = append(keys, n.Key)
	}
	return keys
}

func noteWhole(t *testing.T, s store.Store) {
	require.Empty(t, readNotes(t, s, "progress", "a"))
	full := note("a", dueAt(after(5)), ofWatch("w"), func(n *store.Note) { n.Execution.Org, n.Body = "acme", json.RawMessage(" {\"a\" : 1}\n") })
	bare := store.Note{Kind: "silence", Key: "a"}
	write(t, s, full, bare)
	full.Version, bare.Version = 1, 1
	equal(t, []store.Note{full}, readNotes(t, s, "progress", "a"))
	equal(t, []store.Note{bare}, readNotes(t, s, "silence", "a"))
	require.Empty(t, readNotes(t, s, "other", "a"))
}

func noteLife(t *testing.T, s store.Store) {
	write(t, s, note("a", dueAt(after(5))), note("b"))
	steps := []store.Note{
		note("a", version(1), dueAt(after(5)), func(n *store.Note) { n.Body = json.RawMessage(`2`) }), // the body alone
		note("a", version(2), dueAt(after(9))),
		note("a", version(3), func(n *store.Note) { n.Execution = execution("other") }),
		note("a", version(4), dueAt(time.Unix(0, 0).UTC())),
		note("a", version(5), func(n *store.Note) { n.Execution, n.Body = flyte.ExecutionID{}, nil }),
	}
	for _, n := range steps {
		write(t, s, n)
		n.Version++
		equal(t, []store.Note{n}, readNotes(t, s, "progress", "a"))
	}
	write(t, s, note("a", version(6), removed))
	require.Equal(t, []string{"b"}, noteKeysOf(readNotes(t, s, "progress", "a", "b")))
	write(t, s, note("a", removed)) // it is not there, as was read
	write(t, s, note("a"))
	require.EqualValues(t, 1, readNotes(t, s, "progress", "a")[0].Version)
}

func noteGuards(t *testing.T, s store.Store) {
	write(t, s, note("a"), note("b"))
	write(t, s, note("a", version(1)))
	before := readNotes(t, s, "progress", "a", "b", "c")
	for name, stale := range map[string]store.Note{
		"it is there":           note("a"),
		"it was rewritten":      note("a", version(1)),
		"it is not so far":      note("a", version(3)),
		"it is not there":       note("z", version(1)),
		"a stale removal":       note("a", version(1), removed),
		"removed as not there":  note("a", removed),
		"a removal of nothing":  note("z", version(1), removed),
		"versions are positive": note("a", version(-1)),
	} {
		err := s.Write(t.Context(), store.Change{
			At: after(1), Notes: []store.Note{note("b", version(1)), stale, note("c")}, Deliveries: []store.Delivery{delivery("d", "nobody")},
		})
		require.ErrorIs(t, err, store.ErrConflict, name)
		require.ErrorContains(t, err, stale.Key)
	}
	equal(t, before, readNotes(t, s, "progress", "a", "b", "c"))
	require.Empty(t, listDeliveries(t, s, store.Filter{}))
}

func noteMoves(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("old", "w"))
	write(t, s, note("a"))
	w := readWatch(t, s, "w")
	w.Phase = "FAILED"
	move := func(w store.Watch, n store.Note) error {
		return s.Move(t.Context(), store.Transition{
			Watch: w, Events: []store.Event{{At: after(1), Kind: "phase"}},
			Change: store.Change{At: after(1), Deliveries: []store.Delivery{delivery("new", "w")}, Notes: []store.Note{n}, Superseded: []string{"old"}},
		})
	}
	line := events(t, s, "w")
	require.ErrorIs(t, move(w, note("a")), store.ErrConflict)
	stale := w
	stale.Version--
	require.ErrorIs(t, move(stale, note("a", version(1))), store.ErrConflict)
	require.ErrorIs(t, move(watch("nobody"), note("a", version(1))), store.ErrNotFound)
	require.ErrorIs(t, move(watch("nobody"), note("a")), store.ErrNotFound)
	require.Empty(t, readWatch(t, s, "w").Phase)
	require.Equal(t, []string{"old"}, deliveryIDs(listDeliveries(t, s, store.Filter{State: "pending"})))
	equal(t, line, events(t, s, "w"))
	require.EqualValues(t, 1, readNotes(t, s, "progress", "a")[0].Version)

	require.NoError(t, move(w, note("a", version(1))))
	require.Equal(t, "FAILED", readWatch(t, s, "w").Phase)
	require.EqualValues(t, 2, readNotes(t, s, "progress", "a")[0].Version)
	require.Equal(t, []string{"new"}, deliveryIDs(listDeliveries(t, s, store.Filter{State: "pending"})))
	require.Equal(t, []string{store.EventRegistered, "phase", store.EventSuperseded}, kinds(events(t, s, "w")))
}

func noteKeys(t *testing.T, s store.Store) {
	keys := numbered("k", 1000)
	var all []store.Note
	for _, key := range keys {
		all = append(all, note(key))
	}
	write(t, s, all...)
	for _, n := range []int{0, 1, 2, 3, 5, 100, 511, 512, 513, 1000} {
		asked := append(slices.Clone(keys[:n]), "none")
		if n > 0 {
			asked = append(asked, asked[0])
		}
		require.Equal(t, keys[:n], noteKeysOf(readNotes(t, s, "progress", asked...)))
	}
	require.Empty(t, readNotes(t, s, "progress"))
	require.Empty(t, readNotes(t, s, "other", keys...))
}

func noteListed(t *testing.T, s store.Store) {
	write(t, s, note("b"), note("a"), note("ä"), note("B"), store.Note{Kind: "silence", Key: "c"})
	page := func(after string, limit int) []string {
		t.Helper()
		all, err := s.AllNotes(t.Context(), "progress", after, limit)
		require.NoError(t, err)
		return noteKeysOf(all)
	}
	require.Equal(t, []string{"B", "a", "b", "ä"}, page("", 10))
	require.Equal(t, []string{"B", "a"}, page("", 2))
	require.Equal(t, []string{"b"}, page("a", 1))
	require.Empty(t, page("ä", 1))
	require.Empty(t, page("", 0))
	require.Empty(t, page("", -1))
}

func noteAbout(t *testing.T, s store.Store) {
	about := func(x flyte.ExecutionID) func(*store.Note) { return func(n *store.Note) { n.Execution = x } }
	x := execution("x")
	other := x
	other.Org = "acme"
	write(t, s, note("2", about(x)), note("1", about(x)), note("3", about(other)), note("4", about(flyte.ExecutionID{})),
		store.Note{Kind: "thread", Key: "1", Execution: x})
	of := func(kind string, id flyte.ExecutionID) []string {
		t.Helper()
		all, err := s.NotesOf(t.Context(), kind, id)
		require.NoError(t, err)
		return noteKeysOf(all)
	}
	require.Equal(t, []string{"1", "2"}, of("progress", x))
	require.Equal(t, []string{"3"}, of("progress", other))
	require.Equal(t, []string{"1"}, of("thread", x))
	require.Empty(t, of("progress", flyte.ExecutionID{}))
	require.Empty(t, of("progress", execution("y")))
}

func noteDue(t *testing.T, s store.Store) {
	next := func() time.Time {
		t.Helper()
		when, err := s.NextDue(t.Context(), "progress")
		require.NoError(t, err)
		return when
	}
	require.True(t, next().IsZero())
	write(t, s, note("never"))
	require.True(t, next().IsZero())
	write(t, s, note("c", dueAt(after(1))), note("a", dueAt(after(1))), note("b", dueAt(after(1))), note("z", dueAt(after(0))),
		note("later", dueAt(after(9))), note("y", dueAt(after(2))), store.Note{Kind: "other", Key: "o", Due: after(-9)})
	require.True(t, after(0).Equal(next()))
	require.Equal(t, time.UTC, next().Location())
	for limit := 1; limit <= 6; limit++ {
		var got []string
		var last store.Note
		for {
			page, err := s.DueNotes(t.Context(), "progress", after(2), last, limit)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			require.LessOrEqual(t, len(page), limit)
			got, last = append(got, noteKeysOf(page)...), page[len(page)-1]
		}
		require.Equal(t, []string{"z", "a", "b", "c", "y"}, got, "by %d", limit)
	}
	for _, limit := range []int{0, -1} {
		page, err := s.DueNotes(t.Context(), "progress", after(2), store.Note{}, limit)
		require.NoError(t, err)
		require.Empty(t, page)
	}
	page, err := s.DueNotes(t.Context(), "progress", after(-1), store.Note{}, 10)
	require.NoError(t, err)
	require.Empty(t, page)
	page, err = s.DueNotes(t.Context(), "progress", after(0), store.Note{Due: after(9)}, 10)
	require.NoError(t, err)
	require.Empty(t, page, "behind one that is not due")
	write(t, s, note("z", version(1)), note("a", version(1), removed))
	require.True(t, after(1).Equal(next()))
}

func notePurged(t *testing.T, s store.Store) {
	register(t, s, watch("old", in(store.Ended, after(1))))
	register(t, s, watch("young", in(store.Ended, after(9))))
	register(t, s, watch("due", in(store.Ended, after(1))))
	write(t, s, note("0", ofWatch("due"), dueAt(after(99))))
	write(t, s, note("1", ofWatch("old")), note("2", ofWatch("old")), note("3", ofWatch("young")), note("4"), note("5", ofWatch("unknown")))
	require.Equal(t, 1, purge(t, s, after(5), time.Time{}, 10), "notes are not counted")
	require.Equal(t, []string{"3", "4", "5"}, noteKeysOf(readNotes(t, s, "progress", "1", "2", "3", "4", "5")))
	write(t, s, note("1", ofWatch("old")), note("6"))
	require.Equal(t, []string{"6"}, noteKeysOf(readNotes(t, s, "progress", "1", "6")), "nobody would remove it")
	write(t, s, note("3", version(1), ofWatch("other")))
	require.Equal(t, "young", readNotes(t, s, "progress", "3")[0].WatchID)
}

func noteRefused(t *testing.T, s store.Store) {
	for name, c := range map[string]store.Change{
		"no kind":        {Notes: []store.Note{{Key: "a"}}},
		"no key":         {Notes: []store.Note{{Kind: "a"}}},
		"twice":          {Notes: []store.Note{note("a"), note("b"), note("a")}},
		"no id":          {Deliveries: []store.Delivery{{}}},
		"released twice": {Released: []store.Release{{ID: "a"}, {ID: "a"}}},
	} {
		err := s.Write(t.Context(), c)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrConflict, name)
	}
	require.NoError(t, s.Write(t.Context(), store.Change{}), "nothing to write is no error")
	require.Empty(t, readNotes(t, s, "progress", "a", "b"))
}
