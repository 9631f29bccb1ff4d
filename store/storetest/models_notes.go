package storetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// release makes some of what is held pending, or with one that is not held changes nothing.
func (m *outboxModel) release(t *testing.T, r *rapid.T, s store.Store, now time.Time) {
	d, ok := m.pick(r, func(d store.Delivery) bool { return d.State == store.Held })
	if !ok {
		return
	}
	c := store.Change{At: now, Released: []store.Release{{ID: d.ID}}}
	if other, ok := m.pick(r, func(d store.Delivery) bool { return d.State != store.Held }); ok && rapid.Bool().Draw(r, "conflict") {
		c.Released = append(c.Released, store.Release{ID: other.ID})
		require.ErrorIs(r, s.Write(t.Context(), c), store.ErrConflict)
		return
	}
	require.NoError(r, s.Write(t.Context(), c))
	d.State, d.NextAt, d.Since, d.Spent = store.Pending, now, now, d.Attempts
	m.all[d.ID] = d
}

// supersede names up to four deliveries, of which those that may be are superseded, now or once their attempt has ended.
func (m *outboxModel) supersede(t *testing.T, r *rapid.T, s store.Store, now time.Time) {
	c := store.Change{At: now, Superseded: []string{"nobody"}}
	for range rapid.IntRange(1, 4).Draw(r, "deliveries") {
		d, ok := m.pick(r, func(store.Delivery) bool { return true })
		if !ok {
			return
		}
		c.Superseded = append(c.Superseded, d.ID)
		switch {
		case d.State == store.Pending && d.Bundle == "" && !d.OpenedAt.IsZero():
			d.Over = store.ItNoLongerHolds
		case d.State == store.Held || d.State == store.Pending && d.Bundle == "":
			d.State, d.SettledAt = store.Superseded, now
		}
		m.all[d.ID] = d
	}
	require.NoError(r, s.Write(t.Context(), c))
}

// modelNotes writes a few notes of one kind in random changes, of which some are refused, and looks after each.
func modelNotes(t *testing.T, r *rapid.T, s store.Store, kind string) {
	all := map[string]store.Note{}
	keys := []string{"a", "b", "c", "d"}
	for range rapid.IntRange(1, 12).Draw(r, "changes") {
		next, refused := maps.Clone(all), false
		c := store.Change{At: start()}
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 3, rapid.ID).Draw(r, "keys") {
			n := store.Note{Kind: kind, Key: key, Version: next[key].Version, Body: json.RawMessage(fmt.Sprint(rapid.IntRange(0, 9).Draw(r, "body")))}
			n.Removed = rapid.IntRange(0, 3).Draw(r, "removed") == 0
			n.Execution = execution(kind + rapid.SampledFrom([]string{"x", "y"}).Draw(r, "execution"))
			if rapid.Bool().Draw(r, "due") {
				n.Due = after(rapid.IntRange(0, 2).Draw(r, "seconds"))
			}
			if rapid.IntRange(0, 7).Draw(r, "stale") == 0 {
				n.Version, refused = n.Version+int64(rapid.SampledFrom([]int{-1, 1}).Draw(r, "off")), true
			}
			c.Notes = append(c.Notes, n)
			if delete(next, key); !n.Removed {
				n.Version++
				next[key] = n
			}
		}
		if err := s.Write(t.Context(), c); refused {
			require.ErrorIs(r, err, store.ErrConflict)
		} else {
			require.NoError(r, err)
			all = next
		}
		compareNotes(t, r, s, kind, keys, all)
	}
}

// compareNotes reads notes in every way.
func compareNotes(t *testing.T, r *rapid.T, s store.Store, kind string, keys []string, all map[string]store.Note) {
	want := []store.Note{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		want = append(want, all[key])
	}
	pick := func(wanted func(store.Note) bool) []store.Note {
		return slices.DeleteFunc(slices.Clone(want), func(n store.Note) bool { return !wanted(n) })
	}
	got, err := s.AllNotes(t.Context(), kind, "", 100)
	require.NoError(r, err)
	equal(t, want, got)
	equal(t, want, readNotes(t, s, kind, keys...))
	got, err = s.NotesOf(t.Context(), kind, execution(kind+"x"))
	require.NoError(r, err)
	equal(t, pick(func(n store.Note) bool { return n.Execution.Name == kind+"x" }), got)

	last := store.Note{Key: rapid.SampledFrom(keys).Draw(r, "after"), Due: after(rapid.IntRange(-1, 2).Draw(r, "after seconds"))}
	compare := func(a, b store.Note) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key)) }
	due := pick(func(n store.Note) bool { return !n.Due.IsZero() && !n.Due.After(after(1)) && compare(n, last) > 0 })
	slices.SortFunc(due, compare)
	limit := rapid.IntRange(1, 4).Draw(r, "limit")
	got, err = s.DueNotes(t.Context(), kind, after(1), last, limit)
	require.NoError(r, err)
	equal(t, due[:min(limit, len(due))], got)
	var earliest time.Time
	if ever := pick(func(n store.Note) bool { return !n.Due.IsZero() }); len(ever) > 0 {
		earliest = slices.MinFunc(ever, compare).Due
	}
	next, err := s.NextDue(t.Context(), kind)
	require.NoError(r, err)
	require.True(r, earliest.Equal(next))
}
