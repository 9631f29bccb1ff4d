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
)

// releasedWatches fills a file of the first release: watches 0 to 2,499, every third of them ended,
// every fifth waiting in an execution of its own.
const releasedWatches = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2499)
	INSERT INTO watches (id, kind, attempt, state, org, project, domain, name, node, own_org, own_project,
		own_domain, own_name, wait, phase, version, reason, created_at, ended_at, custom)
	SELECT printf('w%d', i), 'follow', 0, iif(i % 3 = 0, 'ended', 'active'), '', 'ml', 'production', printf('x-w%d', i), '',
		'', iif(i % 5 = 0, 'ml', ''), iif(i % 5 = 0, 'production', ''), iif(i % 5 = 0, printf('own-%d', i), ''), i % 5 = 0,
		'RUNNING', 1, '', 1780000000000000, iif(i % 3 = 0, 1780000000000000, NULL), '{"rules":[]}' FROM n`

func TestAReleasedStoreGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	db := released(t, path)
	_, err := db.Exec(releasedWatches)
	require.NoError(t, err)
	s := openAt(t, path)
	ctx, scope := t.Context(), flyte.Scope{Project: "ml", Domain: "production"}

	shards, err := s.Shards(ctx)
	require.NoError(t, err)
	require.Equal(t, []flyte.Shard{{Scope: scope, Of: 1}}, shards)
	found := map[string]bool{}
	for index := range 4 {
		sh := flyte.Shard{Scope: scope, Index: index, Of: 4}
		for last := ""; ; {
			page, err := s.Names(ctx, sh, time.Time{}, last, 100)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, name := range page {
				require.True(t, sh.Has(name), name)
				require.False(t, found[name], name)
				found[name] = true
			}
			last = page[len(page)-1]
		}
	}
	for i := range 2500 {
		require.True(t, found[fmt.Sprintf("x-w%d", i)])
		require.Equal(t, i%5 == 0 && i%3 != 0, found[fmt.Sprintf("own-%d", i)])
	}
	watches, err := s.ByName(ctx, scope, time.Time{}, []string{"x-w7", "own-10"})
	require.NoError(t, err)
	require.Len(t, watches, 2)
	require.Empty(t, watches[0].Trace)
	w := watches[0]
	w.Phase, w.State, w.EndedAt = "FAILED", store.Ended, testTime()
	require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{testDelivery("w7")}}}))
}

// TestWhatAReleasedStoreHadPurgedStaysPurged keeps the ids of purged deliveries, of which that release
// did not say whose they were, until all its watches are gone.
func TestWhatAReleasedStoreHadPurgedStaysPurged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	db := released(t, path)
	_, err := db.Exec(releasedWatches)
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO purged_deliveries VALUES ('d-w1'), ('d-w2'), ('d-gone'); INSERT INTO purged_watches VALUES ('gone')")
	require.NoError(t, err)
	s, ctx := openAt(t, path), t.Context()
	replay := func(id string) int {
		t.Helper()
		w, err := s.Register(ctx, testWatch(id))
		require.NoError(t, err)
		require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{testDelivery(id)}}}))
		all, err := s.WatchDeliveries(ctx, id)
		require.NoError(t, err)
		return len(all)
	}
	require.Zero(t, replay("w1"))
	require.Equal(t, 1, replay("w4"))
	_, err = s.Purge(ctx, testTime(), testTime(), 100)
	require.NoError(t, err)
	require.Zero(t, replay("w2"))

	settleAll(t, s)
	_, err = db.Exec("UPDATE watches SET state = 'ended', ended_at = created_at WHERE state = 'active'")
	require.NoError(t, err)
	_, err = s.Purge(ctx, time.UnixMicro(1780000000000001), time.UnixMicro(1780000000000001), 10_000)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"watches": 0, "purged_unplaced": 0, "purged_watches": 2501}, rows(t, path, "watches", "purged_unplaced", "purged_watches"))
}

// settleAll ends everything that is pending.
func settleAll(t *testing.T, s *sqlite.Store) {
	t.Helper()
	var ids []string
	require.NoError(t, s.Deliveries(t.Context(), store.Filter{State: string(store.Pending)}, func(d store.Delivery) error {
		ids = append(ids, d.ID)
		return nil
	}))
	for _, id := range ids {
		require.NoError(t, s.Settle(t.Context(), id, store.Outcome{State: store.Dead, At: testTime()}))
	}
}

// rows counts the rows of tables, beneath the store.
func rows(t *testing.T, path string, tables ...string) map[string]int {
	t.Helper()
	db, counts := rawOpen(t, path), map[string]int{}
	for _, table := range tables {
		var n int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
		counts[table] = n
	}
	return counts
}

// TestAYearLeavesLittle purges deliveries and then their watches, and the other way round: of either
// only the watches' ids are left.
func TestAYearLeavesLittle(t *testing.T) {
	t.Parallel()
	for name, deliveriesFirst := range map[string]bool{"deliveries first": true, "watches first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "notifier.db")
			s, ctx := openAt(t, path), t.Context()
			for i := range 20 {
				id := fmt.Sprint(i)
				w, err := s.Register(ctx, testWatch(id))
				require.NoError(t, err)
				w.State, w.EndedAt = store.Ended, testTime()
				require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{testDelivery(id)}}}))
			}
			settleAll(t, s)
			later := testTime().Add(time.Hour)
			steps := [][2]time.Time{{later, {}}, {{}, later}}
			if deliveriesFirst {
				steps[0], steps[1] = steps[1], steps[0]
			}
			for _, step := range steps {
				n, err := s.Purge(ctx, step[0], step[1], 100)
				require.NoError(t, err)
				require.Equal(t, 20, n)
			}
			require.Equal(t, map[string]int{
				"watches": 0, "deliveries": 0, "events": 0, "purged_watches": 20, "purged_deliveries": 0,
			}, rows(t, path, "watches", "deliveries", "events", "purged_watches", "purged_deliveries"))
		})
	}
}
