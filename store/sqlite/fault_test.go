package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// hold takes the write lock as another process would, until the returned function is called.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	db := rawOpen(t, path)
	_, err := db.Exec("BEGIN IMMEDIATE")
	require.NoError(t, err)
	return func() {
		_, err := db.Exec("ROLLBACK")
		require.NoError(t, err)
	}
}

func TestWritesWaitForAForeignLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s := openAt(t, path)
	release := hold(t, path)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Register(ctx, testWatch("impatient"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "impatient")
	require.Less(t, time.Since(began), 3*time.Second, "the caller's deadline counts")
	_, err = s.Watch(t.Context(), "nobody")
	require.ErrorIs(t, err, store.ErrNotFound, "readers do not wait")

	var group errgroup.Group
	for i := range 50 {
		group.Go(func() error {
			_, err := s.Register(t.Context(), testWatch(fmt.Sprint("w", i)))
			return err
		})
	}
	release()
	require.NoError(t, group.Wait())
	watches, _, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, watches[store.Active], 50)
}

func TestForeignLockIsReportedInTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s := openAt(t, path)
	release := hold(t, path)
	_, err := s.Register(t.Context(), testWatch("w"))
	require.ErrorContains(t, err, "locked", "without a deadline of its own a caller waits some seconds")
	require.NotErrorIs(t, err, store.ErrConflict)
	release()
	_, err = s.Register(t.Context(), testWatch("w"))
	require.NoError(t, err)
}

func TestCallersGiveUpInTheQueue(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s := openAt(t, path)
	release := hold(t, path)
	var first errgroup.Group
	first.Go(func() error { _, err := s.Register(t.Context(), testWatch("first")); return err })

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			if _, err := s.Register(ctx, testWatch(fmt.Sprint("w", i))); err == nil {
				return fmt.Errorf("watch %d was written while the lock was held", i)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	release()
	require.NoError(t, first.Wait())
	require.NoError(t, s.Ping(t.Context()))
}

// poisoned returns a store with some watches, in which rows of a table fail to be inserted whose ids begin with poison.
func poisoned(t *testing.T, table, how string) (s *sqlite.Store, path string, watches []store.Watch) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notifier.db")
	s = openAt(t, path)
	_, err := rawOpen(t, path).Exec(`CREATE TRIGGER poison BEFORE INSERT ON ` + table + ` WHEN NEW.id LIKE 'poison%'
		BEGIN SELECT RAISE(` + how + `, 'this one is poison'); END`)
	require.NoError(t, err)
	for i := range 60 {
		w, err := s.Register(t.Context(), testWatch(fmt.Sprint(i)))
		require.NoError(t, err)
		watches = append(watches, w)
	}
	return s, path, watches
}

// TestOneWriteFailsAlone has a batch in which some writes fail half way, one kind of which takes the
// whole transaction with it: the others are done, and nothing of those is left.
func TestOneWriteFailsAlone(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"ABORT", "FAIL", "ROLLBACK"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s, path, watches := poisoned(t, "deliveries", how)
			release := hold(t, path) // so that they gather
			var group errgroup.Group
			for i, w := range watches {
				group.Go(func() error {
					w.Phase = "FAILED"
					good, bad := testDelivery(w.ID), testDelivery(w.ID)
					bad.ID = "poison-" + w.ID
					if i%30 != 0 {
						return s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{good}}})
					}
					err := s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{good, bad}}})
					if err == nil || !strings.Contains(err.Error(), "this one is poison") {
						return fmt.Errorf("a poisoned move came to %w", err)
					}
					return nil
				})
			}
			release()
			require.NoError(t, group.Wait())
			for i, w := range watches {
				stored, err := s.Watch(t.Context(), w.ID)
				require.NoError(t, err)
				deliveries, err := s.WatchDeliveries(t.Context(), w.ID)
				require.NoError(t, err)
				require.Equal(t, i%30 != 0, stored.Phase == "FAILED")
				require.Equal(t, i%30 != 0, len(deliveries) == 1)
			}
		})
	}
}

// TestOneWriteFailsAtOnce has a batch in which one write fails before it changes anything, which may take the whole
// transaction with it: the others are done, and once.
func TestOneWriteFailsAtOnce(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"ABORT", "FAIL", "ROLLBACK"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s, path, watches := poisoned(t, "watches", how)
			release := hold(t, path) // so that they gather
			var group errgroup.Group
			for i, w := range watches {
				group.Go(func() error { return s.Move(t.Context(), store.Transition{Watch: w}) })
				if i == 30 {
					group.Go(func() error {
						if _, err := s.Register(t.Context(), testWatch("poison")); err == nil || !strings.Contains(err.Error(), "this one is poison") {
							return fmt.Errorf("a poisoned registration came to %w", err)
						}
						return nil
					})
				}
			}
			release()
			require.NoError(t, group.Wait())
		})
	}
}

func TestDamagedRowHidesNoOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s, ctx := openAt(t, path), t.Context()
	for _, id := range []string{"a", "b", "c"} {
		w, err := s.Register(ctx, testWatch(id))
		require.NoError(t, err)
		d := testDelivery(id)
		d.Receipt = notifier.Receipt{"ts": "1.2"}
		require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	}
	db := rawOpen(t, path)
	_, err := db.Exec(`UPDATE watches SET outputs = '["phase', custom = '{"rules":' WHERE id = 'b'`)
	require.NoError(t, err)
	_, err = db.Exec("UPDATE deliveries SET receipt = 'x', content = '{' WHERE id = 'd-b'")
	require.NoError(t, err)

	_, err = s.Watch(ctx, "b")
	require.ErrorContains(t, err, "b: column outputs is damaged")
	_, err = s.Watch(ctx, "a")
	require.NoError(t, err)
	fresh, err := s.Fresh(ctx, store.Follow, 10)
	require.NoError(t, err)
	require.Len(t, fresh, 3)
	require.Equal(t, "b", fresh[1].ID)
	require.Equal(t, testWatch("b").Execution, fresh[1].Execution, "the rest of the row is there")

	due, err := s.Due(ctx, store.Lane{Connection: "team", Address: "#ml"}, testTime(), 10)
	require.NoError(t, err)
	require.Len(t, due, 3)
	seen := 0
	require.NoError(t, s.Deliveries(ctx, store.Filter{}, func(d store.Delivery) error {
		seen++
		require.Equal(t, d.ID != "d-b", len(d.Receipt) == 1)
		return nil
	}))
	require.Equal(t, 3, seen)

	require.NoError(t, s.Cancel(ctx, "b", 0, "aborted", testTime()))
	_, err = s.Begin(ctx, "d-b", 0, testTime(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Settle(ctx, "d-b", store.Outcome{Attempt: 1, State: store.Delivered, At: testTime(), Receipt: notifier.Receipt{"ts": "3"}}))
}

// TestDamagedFile scribbles over the middle of a file: reads fail, and nothing worse.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	for i := range 200 {
		w, err := s.Register(t.Context(), testWatch(fmt.Sprint("w", i)))
		require.NoError(t, err)
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{testDelivery(w.ID)}}}))
	}
	require.NoError(t, s.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 3 * 4096; i < len(content); i += 7 {
		content[i] ^= 0x55
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))

	s, err = sqlite.Open(t.Context(), path)
	if err != nil {
		require.ErrorContains(t, err, path)
		return
	}
	failed := 0
	for _, err := range []error{
		s.Watches(t.Context(), store.Filter{}, func(store.Watch) error { return nil }),
		s.Deliveries(t.Context(), store.Filter{}, func(store.Delivery) error { return nil }),
	} {
		if err != nil {
			failed++
		}
	}
	require.NotZero(t, failed, "damage is not taken for data")
	require.NoError(t, s.Close())
}
