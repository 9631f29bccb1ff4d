package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// rawOpen opens a store's file beneath the store, as an operator with a shell would.
func rawOpen(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	require.NoError(tb, err)
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// Rows of a grown store, made beneath it: a million active watches in ten scopes, as many ended
// ones, and a million pending deliveries in one lane beside a hundred small ones.
const (
	fillWatches = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
		INSERT INTO watches (id, kind, attempt, state, org, project, domain, name, node, own_org, own_project,
			own_domain, own_name, wait, phase, version, reason, created_at, ended_at, custom)
		SELECT printf('%s%032x', ?2, i * 2654435761 % 4294967296), 'follow', 0, ?2, '', 'p' || (i % 10), 'production',
			printf('f%019x', i), '', '', '', '', '', 0, 'RUNNING', 1, '', 1780000000000000,
			iif(?2 = 'active', NULL, 1780000000000000 + i),
			'{"rules":[{"name":"failed","when":{"phase":["FAILED"]},"send":[{"slack":{"channel":"#ml"}}]}]}' FROM n`
	fillDeliveries = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
		INSERT INTO deliveries (id, key, watch_id, org, project, domain, name, rule, reason, kind, connection, address,
			state, head, attempts, next_at, double, created_at, since, spent, last_error, render_error, content)
		SELECT printf('d%031x', i * 2654435761 % 4294967296), '', printf('w%031x', i), '', 'p', 'd', 'n', 'failed',
			'phase:FAILED', 'slack', 'team', iif(i % 10000 = 0, '#c' || i, '#flood'), 'pending', 1, 0,
			1780000000000000 + i, 0, 1780000000000000, 1780000000000000, 0, '', '', '{}' FROM n`
)

// released makes a file as the first release left it, and opens it beneath the store.
func released(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db := rawOpen(tb, path)
	_, err := db.Exec("PRAGMA journal_mode = WAL")
	require.NoError(tb, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
	require.NoError(tb, err)
	_, err = provider.UpTo(tb.Context(), 1)
	require.NoError(tb, err)
	return db
}

func openLarge(b *testing.B, n int) *sqlite.Store {
	b.Helper()
	path := filepath.Join(b.TempDir(), "notifier.db")
	db := released(b, path)
	began := time.Now()
	for _, state := range []store.WatchState{store.Active, store.Ended} {
		_, err := db.Exec(fillWatches, n, string(state))
		require.NoError(b, err)
	}
	b.Logf("%d watches in %s", 2*n, time.Since(began).Round(time.Second))
	began = time.Now()
	s, err := sqlite.Open(b.Context(), path)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	_, err = db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(b, err)
	info, err := os.Stat(path)
	require.NoError(b, err)
	b.Logf("migrated in %s, %d bytes each", time.Since(began).Round(time.Second), info.Size()/int64(2*n))
	_, err = db.Exec(fillDeliveries, n)
	require.NoError(b, err)
	return s
}

// fillScopes are 200,000 deliveries in one lane, of so many projects. Half of them have none that is due.
const fillScopes = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199999)
	INSERT INTO deliveries (id, key, watch_id, org, project, domain, name, rule, reason, kind, connection, address,
		state, head, attempts, next_at, double, created_at, since, spent, last_error, render_error, content)
	SELECT printf('s%d-%d', ?1, i), '', printf('w%031x', i), '', printf('p%d', i % ?1), 'd', 'n', 'failed',
		'phase:FAILED', 'slack', 'team', printf('#%d', ?1), 'pending', 1, 0,
		1780000000000000 + i + iif(?1 > 1 AND i % ?1 % 2 = 1, 1000000000000, 0), 0, 1780000000000000, 1780000000000000, 0, '', '', '{}' FROM n`

// BenchmarkScopes looks at lanes in which few or many projects wait.
func BenchmarkScopes(b *testing.B) {
	path := filepath.Join(b.TempDir(), "notifier.db")
	s, err := sqlite.Open(b.Context(), path)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	db := rawOpen(b, path)
	for _, scopes := range []int{1, 4, 100, 5000} {
		_, err := db.Exec(fillScopes, scopes)
		require.NoError(b, err)
		lane := store.Lane{Connection: "team", Address: fmt.Sprint("#", scopes)}
		b.Run(fmt.Sprintf("scopes=%d", scopes), func(b *testing.B) {
			for b.Loop() {
				due, err := s.Due(b.Context(), lane, time.UnixMicro(1780000001000000), 16)
				require.NoError(b, err)
				require.Len(b, due, 16)
			}
		})
	}
}

// BenchmarkLarge reads and writes a store with millions of rows. It takes a minute to fill.
func BenchmarkLarge(b *testing.B) {
	const n = 1_000_000
	s, ctx := openLarge(b, n), b.Context()
	sc := flyte.Scope{Project: "p3", Domain: "production"}
	since := time.UnixMicro(1780000000000000 + n - 10_000) // 10,000 ended lately, 1,000 of them here
	now := time.UnixMicro(1780000000000000 + n)
	bench := func(name string, fn func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, fn())
			}
		})
	}
	for _, size := range []int{100, 500} {
		last := ""
		bench(fmt.Sprintf("names=%d", size), func() error {
			names, err := s.Names(ctx, flyte.Shard{Scope: sc, Of: 1}, since, last, size)
			if last = ""; len(names) == size {
				last = names[size-1]
			}
			return err
		})
	}
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("f%019x", i*990+3))
	}
	bench("byname=1000", func() error {
		watches, err := s.ByName(ctx, sc, since, names)
		if err == nil && len(watches) < 1000 {
			err = fmt.Errorf("%d watches", len(watches))
		}
		return err
	})
	bench("byname=1", func() error { _, err := s.ByName(ctx, sc, since, names[:1]); return err })
	bench("shards", func() error { _, err := s.Shards(ctx); return err })
	bench("fresh", func() error { _, err := s.Fresh(ctx, store.Follow, 100); return err })
	bench("lanes", func() error { _, err := s.Lanes(ctx, now); return err })
	bench("lanes-none-due", func() error { _, err := s.Lanes(ctx, time.Unix(0, 0)); return err })
	flood := store.Lane{Connection: "team", Address: "#flood"}
	bench("due=10", func() error { _, err := s.Due(ctx, flood, now, 10); return err })
	bench("due=1000", func() error { _, err := s.Due(ctx, flood, now, 1000); return err })
	bench("due-none", func() error { _, err := s.Due(ctx, flood, time.Unix(0, 0), 10); return err })
	bench("nextat", func() error { _, err := s.NextAt(ctx, time.Unix(0, 0)); return err })
	bench("counts", func() error { _, _, err := s.Counts(ctx); return err })
	bench("newest=20", func() error {
		return s.Deliveries(ctx, store.Filter{Limit: 20}, func(store.Delivery) error { return nil })
	})
	bench("no-dead", func() error {
		return s.Deliveries(ctx, store.Filter{State: "dead"}, func(store.Delivery) error { return nil })
	})
	id := int64(0)
	bench("register", func() error { id++; _, err := s.Register(ctx, benchWatch(id)); return err })
	bench("purge=200", func() error { _, err := s.Purge(ctx, now, time.Time{}, 200); return err })
}
