package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// childWrite writes with many callers for as long as it lives, and prints what was answered.
func childWrite(path string) error {
	s, err := sqlite.OpenServer(context.Background(), path)
	if err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		for line := range lines {
			_, _ = os.Stdout.WriteString(line + "\n") // one write a line: none is torn
		}
	}()
	var group errgroup.Group
	for caller := range 16 {
		group.Go(func() error {
			for n := 0; ; n++ {
				if err := writeOne(s, fmt.Sprintf("w%d-%d", caller, n), lines); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

func writeOne(s *sqlite.Store, id string, lines chan<- string) error {
	ctx := context.Background()
	w, err := s.Register(ctx, testWatch(id))
	if err != nil {
		return err
	}
	lines <- "registered " + id
	w.Phase = "FAILED"
	if err := s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{testDelivery(id)}}}); err != nil {
		return err
	}
	lines <- "moved " + id
	if _, err := s.Begin(ctx, "d-"+id, 0, testTime(), nil); err != nil {
		return err
	}
	lines <- "begun " + id
	return nil
}

// TestKilled kills a server amid its writes. What it had answered is there; what it had not is
// there whole or not at all; and the next server may start at once.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	answered := map[string]string{}
	c := startChild(t, "write", path)
	note := func(line string) {
		step, id, ok := strings.Cut(line, " ")
		require.True(t, ok, line)
		answered[id] = step
	}
	for range 500 {
		note(c.next(t))
	}
	for _, line := range c.kill(t) {
		note(line)
	}

	s, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for id, step := range answered {
		w, err := s.Watch(t.Context(), id)
		require.NoError(t, err)
		deliveries, err := s.WatchDeliveries(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, w.Phase == "FAILED", len(deliveries) == 1, "a transition is whole or not there")
		if step != "registered" {
			require.Equal(t, "FAILED", w.Phase)
		}
		if step == "begun" {
			require.Equal(t, 1, deliveries[0].Attempts)
			require.False(t, deliveries[0].OpenedAt.IsZero())
		}
	}
	n, err := s.Recover(t.Context(), testTime())
	require.NoError(t, err)
	require.NotZero(t, n, "attempts were open")
}
