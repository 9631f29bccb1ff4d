package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// together has the writes done in one batch, and returns what came of each.
func together(t *testing.T, s *Store, writes ...func(*tx) error) []error {
	t.Helper()
	begun, gathered := make(chan struct{}), make(chan struct{})
	do := func(fn func(*tx) error) error {
		_, err := write(context.Background(), s, func(tx *tx) (struct{}, error) { return struct{}{}, fn(tx) })
		return err
	}
	var group errgroup.Group
	group.Go(func() error { return do(func(*tx) error { close(begun); <-gathered; return nil }) })
	<-begun
	errs := make([]error, len(writes))
	for i, fn := range writes {
		group.Go(func() error { errs[i] = do(fn); return nil })
		synctest.Wait() // so that they come in order
	}
	close(gathered)
	require.NoError(t, group.Wait())
	return errs
}

// TestOneWriteIsUndone has a batch with a write that is refused, meets a damaged row or fails, before or after it has
// changed something. The others are not done again where the database is sure to be as they left it.
func TestOneWriteIsUndone(t *testing.T) {
	t.Parallel()
	const insert = "INSERT INTO purged_watches (id) VALUES (?)"
	for name, test := range map[string]struct {
		err     error
		changes bool
		runs    int // of the other write
	}{
		"refused":                {store.ErrConflict, false, 1},
		"refused half way":       {store.ErrConflict, true, 2},
		"damaged":                {&engine.DamageError{}, false, 1},
		"damaged half way":       {&engine.DamageError{}, true, 2},
		"failed":                 {errors.New("disk I/O error"), false, 2},
		"failed half way":        {errors.New("disk I/O error"), true, 2},
		"not found, as it seems": {fmt.Errorf("look: %w", store.ErrNotFound), false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "notifier.db")
			synctest.Test(t, func(t *testing.T) {
				s, err := Open(t.Context(), path)
				require.NoError(t, err)
				defer func() { require.NoError(t, s.Close()) }()
				runs := 0
				other := func(tx *tx) error { runs++; return tx.exec(insert, fmt.Sprint("other", runs)) }
				errs := together(t, s, other, func(tx *tx) error {
					if test.changes {
						if err := tx.exec(insert, "undone"); err != nil {
							return err
						}
					}
					return test.err
				})
				require.NoError(t, errs[0])
				require.ErrorIs(t, errs[1], test.err)
				require.Equal(t, test.runs, runs)
				left, err := read(t.Context(), s.queries, scanText, "SELECT id FROM purged_watches")
				require.NoError(t, err)
				require.Equal(t, []string{fmt.Sprint("other", runs)}, left)
			})
		})
	}
}

// TestARefusedChangeIsSeenFirst has a move of a watch that fits, with a note that does not: nothing of it was written by
// then, so that the others of its batch are not done again.
func TestARefusedChangeIsSeenFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]store.Change{
		"note":    {Notes: []store.Note{{Kind: "progress", Key: "new"}, {Kind: "progress", Key: "stale", Version: 7}}},
		"release": {Notes: []store.Note{{Kind: "progress", Key: "new"}}, Released: []store.Release{{ID: "none"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "notifier.db")
			synctest.Test(t, func(t *testing.T) {
				s, err := Open(t.Context(), path)
				require.NoError(t, err)
				defer func() { require.NoError(t, s.Close()) }()
				w, err := s.Register(t.Context(), store.Watch{ID: "w"})
				require.NoError(t, err)
				own, err := newChange(c)
				require.NoError(t, err)
				runs := 0
				errs := together(t, s, func(*tx) error { runs++; return nil }, func(tx *tx) error { return tx.move(w.ID, moveArgs(w), own, nil) })
				require.NoError(t, errs[0])
				require.ErrorIs(t, errs[1], store.ErrConflict)
				require.Equal(t, 1, runs)
				got, err := s.Watch(t.Context(), "w")
				require.NoError(t, err)
				require.Equal(t, w.Version, got.Version)
			})
		})
	}
}

// TestPlainMovesKnowNoNotes has moves cost what they did before there were notes.
func TestPlainMovesKnowNoNotes(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "notifier.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	w, err := s.Register(t.Context(), store.Watch{ID: "w"})
	require.NoError(t, err)
	require.NoError(t, s.Move(t.Context(), store.Transition{
		Watch: w, Events: []store.Event{{Kind: "phase"}}, Change: store.Change{Deliveries: []store.Delivery{{ID: "d", WatchID: "w"}}},
	}))
	s.write.batches.Close() // so that nobody else uses the transaction
	require.Contains(t, s.write.tx.stmts, stayWatch)
	for query := range s.write.tx.stmts {
		require.NotContains(t, query, "notes")
		require.NotContains(t, query, "SELECT seq, watch_id")
	}
}
