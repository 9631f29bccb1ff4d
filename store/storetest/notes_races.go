package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func noteValues(t *testing.T, s store.Store) {
	texts := []string{" x ", "Grüße, 世界 🚀 \u202e", "line\nline\ttab\r\n", `'; DROP TABLE notes; --`, `"`, `\`, "%_", "?1 :a @b $1", strings.Repeat("long", 500)}
	for i, text := range texts {
		n := store.Note{Kind: text, Key: text, WatchID: text, Execution: flyte.ExecutionID{Scope: flyte.Scope{Org: text, Project: text, Domain: text}, Name: text}}
		n.Due, n.Body = after(i), json.RawMessage(`{"t":"`+strings.Repeat("é", i*100_000)+`"}`)
		write(t, s, n)
		n.Version = 1
		found := readNotes(t, s, text, text, "other")
		require.True(t, bytes.Equal(n.Body, found[0].Body), "a body of %d bytes came back as one of %d", len(n.Body), len(found[0].Body))
		n.Body, found[0].Body = nil, nil
		equal(t, []store.Note{n}, found)
		all, err := s.NotesOf(t.Context(), text, n.Execution)
		require.NoError(t, err)
		require.Len(t, all, 1)
		due, err := s.DueNotes(t.Context(), text, after(i), store.Note{}, 1)
		require.NoError(t, err)
		require.Len(t, due, 1)
		write(t, s, n)
	}
}

func noteBroken(t *testing.T, s store.Store) {
	for i, text := range []string{"nul \x00 in it", "\xff\xfe not utf-8", "half \xe4\xb8"} {
		n := store.Note{Kind: text, Key: text, WatchID: text, Execution: execution(text), Body: json.RawMessage(text)}
		write(t, s, n)
		found := readNotes(t, s, text, text)
		require.Len(t, found, 1, "it is found by what it was written by")
		require.ErrorIs(t, s.Write(t.Context(), store.Change{Notes: []store.Note{n}}), store.ErrConflict)
		n.Version = 1
		write(t, s, n, note(fmt.Sprint(i)))
		d := delivery(numbered("b", i+1)[i], "w", func(d *store.Delivery) { d.Bundle, d.State = text, store.Held })
		require.NoError(t, s.Write(t.Context(), store.Change{Deliveries: []store.Delivery{d}}))
		held, err := s.Held(t.Context(), text, 10)
		require.NoError(t, err)
		require.Len(t, held, 1)
	}
}

// noteRaces has many callers whose writes go into the same batches: those that lose take none with them.
func noteRaces(t *testing.T, s store.Store) {
	write(t, s, note("shared"))
	for _, id := range numbered("w", 90) {
		register(t, s, watch(id))
	}
	var won atomic.Int32
	together(t, 90, func(i int) error {
		id := numbered("w", 90)[i]
		w, err := s.Watch(t.Context(), id)
		if err != nil {
			return err
		}
		w.Phase = "FAILED"
		own, shared := note(id, ofWatch(id)), note("shared", version(1))
		c := store.Change{At: after(1), Deliveries: []store.Delivery{delivery("d-"+id, id)}, Notes: []store.Note{own}}
		if i%3 == 0 {
			c.Notes = append(c.Notes, shared)
		}
		if i%3 == 1 {
			err = s.Write(t.Context(), c)
		} else {
			err = s.Move(t.Context(), store.Transition{Watch: w, Change: c})
		}
		switch {
		case i%3 == 0 && err == nil:
			won.Add(1)
		case i%3 == 0 && errors.Is(err, store.ErrConflict):
			return nil
		}
		return err
	})
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 2, readNotes(t, s, "progress", "shared")[0].Version)
	notes, err := s.AllNotes(t.Context(), "progress", "", 1000)
	require.NoError(t, err)
	require.Len(t, notes, 1+1+60)
	all := listDeliveries(t, s, store.Filter{})
	require.Len(t, all, 61)
	for _, n := range notes {
		if n.Key != "shared" {
			require.Contains(t, deliveryIDs(all), "d-"+n.Key, "a change is whole or not there")
		}
	}
}

func noteInserts(t *testing.T, s store.Store) {
	keys := numbered("k", 8)
	var won [8]atomic.Int32
	together(t, 64, func(i int) error {
		a, b := i%8, (i/8)%8
		c := store.Change{Notes: []store.Note{note(keys[a])}}
		if a != b {
			c.Notes = append(c.Notes, note(keys[b]))
		}
		err := s.Write(t.Context(), c)
		if err == nil {
			for _, n := range c.Notes {
				won[slices.Index(keys, n.Key)].Add(1)
			}
		}
		if errors.Is(err, store.ErrConflict) {
			return nil
		}
		return err
	})
	for i, key := range keys {
		require.Len(t, readNotes(t, s, "progress", key), int(won[i].Load()))
	}
}
