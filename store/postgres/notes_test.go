package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestServersShareNotes has servers that insert, write and remove the same notes at the same time, several at once and
// in any order: of those that read the same one wins, and each change is whole.
func TestServersShareNotes(t *testing.T) {
	t.Parallel()
	const servers, rounds, keys = 4, 60, 5
	url := empty(t)
	var won [keys]atomic.Int64
	var changes atomic.Int64
	var group errgroup.Group
	for n := range servers {
		s, rnd := openAt(t, url), rand.New(rand.NewPCG(2, uint64(n)))
		group.Go(func() error {
			for round := range rounds {
				picked := rnd.Perm(keys)[:2]
				c := store.Change{Deliveries: []store.Delivery{testDelivery(fmt.Sprint("g", n, "-", round))}}
				for _, k := range picked {
					note, err := current(t, s, fmt.Sprint(k))
					if err != nil {
						return err
					}
					c.Notes = append(c.Notes, note)
				}
				err := s.Write(t.Context(), c)
				if errors.Is(err, store.ErrConflict) {
					continue
				}
				if err != nil {
					return err
				}
				changes.Add(1)
				for _, k := range picked {
					won[k].Add(1)
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	s := openAt(t, url)
	for k := range keys {
		note, err := current(t, s, fmt.Sprint(k))
		require.NoError(t, err)
		require.Equal(t, won[k].Load(), note.Version, "each that won raised it by one")
	}
	require.EqualValues(t, changes.Load(), value[int64](t, connect(t, url), "SELECT count(*) FROM flyte_notifier.deliveries"))
}

// TestServersInsertANoteOnce has servers that all find a note not there, over and over.
func TestServersInsertANoteOnce(t *testing.T) {
	t.Parallel()
	const servers, rounds = 4, 40
	url := empty(t)
	var won [rounds]atomic.Int64
	var group errgroup.Group
	for n := range servers {
		s := openAt(t, url)
		group.Go(func() error {
			for round := range rounds {
				a, b := fmt.Sprint("a", round), fmt.Sprint("b", round)
				if n%2 == 0 {
					a, b = b, a
				}
				err := s.Write(t.Context(), store.Change{Notes: []store.Note{{Kind: "progress", Key: a}, {Kind: "progress", Key: b}}})
				if err == nil {
					won[round].Add(1)
				} else if !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for round := range rounds {
		require.EqualValues(t, 1, won[round].Load())
	}
	conn := connect(t, url)
	require.EqualValues(t, 2*rounds, value[int64](t, conn, "SELECT count(*) FROM flyte_notifier.notes WHERE version = 1"))
}

// current is a note to write: as it is, or as one that is not there.
func current(t *testing.T, s store.Store, key string) (store.Note, error) {
	all, err := s.Notes(t.Context(), "progress", []string{key})
	if err != nil || len(all) == 0 {
		return store.Note{Kind: "progress", Key: key}, err
	}
	return all[0], nil
}
