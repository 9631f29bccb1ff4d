package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
	"github.com/flyte-notifier/flyte-notifier/store/storetest"
)

// serve opens a new store as a server does: it remembers watches that were read.
func serve(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.OpenServer(t.Context(), filepath.Join(t.TempDir(), "notifier.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConformanceOfAServer(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return serve(t) })
}

// Whatever changes a watch, the next read tells of it.
func TestWhatWasReadIsForgottenWhenItChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(context.Context, *sqlite.Store, store.Watch) error{
		"moved": func(ctx context.Context, s *sqlite.Store, w store.Watch) error {
			w.Phase = "RUNNING"
			return s.Move(ctx, store.Transition{Watch: w})
		},
		"cancelled": func(ctx context.Context, s *sqlite.Store, w store.Watch) error {
			return s.Cancel(ctx, w.ID, w.Attempt, "aborted", testTime())
		},
		"a later attempt": func(ctx context.Context, s *sqlite.Store, w store.Watch) error {
			w.Attempt++
			_, err := s.Register(ctx, w)
			return err
		},
		"ended and purged": func(ctx context.Context, s *sqlite.Store, w store.Watch) error {
			w.State, w.EndedAt = store.Ended, testTime()
			if err := s.Move(ctx, store.Transition{Watch: w}); err != nil {
				return err
			}
			_, err := s.Purge(ctx, testTime().Add(time.Hour), testTime(), 10)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := serve(t), t.Context()
			w, err := s.Register(ctx, testWatch("w1"))
			require.NoError(t, err)
			for range 2 {
				got, err := s.Watch(ctx, w.ID)
				require.NoError(t, err)
				require.Equal(t, w, got)
			}
			require.NoError(t, change(ctx, s, w))
			got, err := s.Watch(ctx, w.ID)
			require.NoError(t, err)
			require.NotEqual(t, w, got)
		})
	}
}

// Readers and writers race: what a write returned, or later, is what every read after it finds.
func TestReadsAreNeverOlderThanWrites(t *testing.T) {
	t.Parallel()
	s, ctx := serve(t), t.Context()
	const watches, moves = 4, 60
	var all sync.WaitGroup
	for i := range watches {
		w, err := s.Register(ctx, testWatch(fmt.Sprint("w", i)))
		require.NoError(t, err)
		stop := make(chan struct{})
		for range 3 {
			all.Go(func() {
				for last := int64(0); ; {
					got, err := s.Watch(ctx, w.ID)
					if err != nil || got.Version < last {
						t.Errorf("version %d after %d: %v", got.Version, last, err)
					}
					last = got.Version
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		all.Go(func() {
			defer close(stop)
			for range moves {
				w.Phase += "x"
				if err := s.Move(ctx, store.Transition{Watch: w}); err != nil {
					t.Error(err)
				}
				got, err := s.Watch(ctx, w.ID)
				if err != nil || got.Phase != w.Phase || got.Version != w.Version+1 {
					t.Errorf("read %q, version %d, after a write of %q: %v", got.Phase, got.Version, w.Phase, err)
				}
				w.Version++
			}
		})
	}
	all.Wait()
}

// There is room for so many, and more are read as ever.
func TestManyWatchesAreReadInTurn(t *testing.T) {
	t.Parallel()
	s, ctx := serve(t), t.Context()
	const many = 5000
	var all sync.WaitGroup
	for c := range 50 {
		all.Go(func() {
			for i := c; i < many; i += 50 {
				if _, err := s.Register(ctx, testWatch(fmt.Sprint("w", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for range 2 {
		for i := range many {
			w, err := s.Watch(ctx, fmt.Sprint("w", i))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("x-w", i), w.Execution.Name)
		}
	}
}
