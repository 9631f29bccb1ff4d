package postgres

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestDeliveriesWithoutJobsAreAdoptedOnce(t *testing.T) {
	t.Parallel()
	s, err := OpenServer(t.Context(), Options{URL: pgtest.Database(t)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	due := time.Now().UTC()
	for i := range 20 {
		w, err := s.Register(t.Context(), store.Watch{
			ID: fmt.Sprint("w", i), Kind: store.Follow, State: store.Active, CreatedAt: due,
			Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "p", Domain: "d"}, Name: "x"},
		})
		require.NoError(t, err)
		var all []store.Delivery
		for j := range 2 { // the second waits for the first
			id := fmt.Sprint(w.ID, "-", j)
			all = append(all, store.Delivery{ID: id, Key: id, WatchID: w.ID, Connection: "c", Address: "a", State: store.Pending, NextAt: due, CreatedAt: due})
		}
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: all}}))
	}
	n, err := s.adopt(t.Context(), due.Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "all have a job")

	_, err = s.pool.Exec(t.Context(), "DELETE FROM flyte_notifier.river_job WHERE id % 2 = 0")
	require.NoError(t, err)
	_, err = s.pool.Exec(t.Context(), "UPDATE flyte_notifier.river_job SET state = 'cancelled', finalized_at = now() WHERE id % 4 = 1")
	require.NoError(t, err)
	n, err = s.adopt(t.Context(), due)
	require.NoError(t, err)
	require.Zero(t, n, "not overdue")

	var total atomic.Int64
	var servers sync.WaitGroup
	for range 4 {
		servers.Go(func() {
			n, err := s.adopt(t.Context(), due.Add(time.Hour))
			if err != nil {
				t.Error(err)
			}
			total.Add(int64(n))
		})
	}
	servers.Wait()
	require.EqualValues(t, 15, total.Load())
	var live, distinct int
	const query = "SELECT count(*), count(DISTINCT args->>'id') FROM flyte_notifier.river_job WHERE state = 'available'"
	require.NoError(t, s.pool.QueryRow(t.Context(), query).Scan(&live, &distinct))
	require.Equal(t, 20, live)
	require.Equal(t, 20, distinct)
}
