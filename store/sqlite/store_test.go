package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
	"github.com/flyte-notifier/flyte-notifier/store/storetest"
)

// open returns a new store in a folder of the test's own.
func open(t *testing.T) *sqlite.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "notifier.db"))
}

func openAt(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

func testTime() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func testWatch(id string) store.Watch {
	return store.Watch{
		ID:        id,
		Kind:      store.Follow,
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "x-" + id},
		Outputs:   []string{"phase"},
		Custom:    []byte(`{"rules":[]}`),
		CreatedAt: testTime(),
	}
}

// testDelivery is due at once in the lane team #ml.
func testDelivery(watchID string) store.Delivery {
	return store.Delivery{
		ID: "d-" + watchID, WatchID: watchID, Execution: testWatch(watchID).Execution, Kind: "slack",
		Connection: "team", Address: "#ml", State: store.Pending, NextAt: testTime(), CreatedAt: testTime(),
	}
}

// TestDueIsBounded puts more into a lane than one look reads: those due longest are seen.
func TestDueIsBounded(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	w, err := s.Register(ctx, testWatch("w"))
	require.NoError(t, err)
	var all []store.Delivery
	for i := range 328 {
		d := testDelivery(fmt.Sprintf("%04d", i))
		d.NextAt = d.NextAt.Add(-time.Duration(i) * time.Second)
		all = append(all, d)
	}
	require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: all}}))
	due, err := s.Due(ctx, store.Lane{Connection: "team", Address: "#ml"}, testTime(), 5000)
	require.NoError(t, err)
	require.Len(t, due, 128)
	require.Equal(t, "d-0200", due[0].ID, "among them the oldest first")
	require.Equal(t, "d-0327", due[127].ID)
}
