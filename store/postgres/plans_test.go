package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// Rows of a grown store, made beneath it: active and ended watches in ten scopes, and deliveries of which a
// few are pending, most of those in one lane.
const (
	fillWatches = `INSERT INTO flyte_notifier.watches (id, kind, attempt, state, org, project, domain, name, node, own_org, own_project,
		own_domain, own_name, bucket, own_bucket, wait, phase, version, trace, reason, created_at, ended_at, custom)
	SELECT $2 || lpad(to_hex(i::bigint * 2654435761 % 4294967296), 32, '0'), 'follow', 0, $2, '', 'p' || (i % 10), 'production',
		'f' || lpad(to_hex(i), 19, '0'), '', '', '', '', '', i % 256, 0, false, 'RUNNING', 1, '', '', 1780000000000000,
		CASE $2 WHEN 'active' THEN NULL ELSE 1780000000000000 + i END,
		'{"rules":[{"name":"failed","when":{"phase":["FAILED"]},"send":[{"slack":{"channel":"#ml"}}]}]}'
	FROM generate_series(0, $1::integer - 1) i`
	fillDeliveries = `INSERT INTO flyte_notifier.deliveries (seq, id, key, watch_id, org, project, domain, name, rule, reason, kind, connection,
		address, state, head, attempts, next_at, double, created_at, settled_at, since, spent, trace, last_error, render_error, content)
	SELECT nextval('flyte_notifier.deliveries_seq'), 'd' || lpad(to_hex(i::bigint * 2654435761 % 4294967296), 31, '0'), '',
		'w' || lpad(to_hex(i), 31, '0'), '', 'p', 'd', 'n', 'failed', 'phase:FAILED', 'slack', 'team',
		CASE WHEN i % 1000 = 0 THEN '#c' || i ELSE '#flood' END, CASE WHEN i % 10 = 0 THEN 'pending' ELSE 'delivered' END, i % 10 = 0, 0,
		1780000000000000 + i, false, 1780000000000000, CASE WHEN i % 10 = 0 THEN NULL ELSE 1780000000000000 + i END,
		1780000000000000, 0, '', '', '', '{}'
	FROM generate_series(0, $1::integer - 1) i`
	fillNotes = `INSERT INTO flyte_notifier.notes (kind, key, watch_id, org, project, domain, name, due, version, body)
	SELECT 'progress', 'k' || lpad(to_hex(i), 19, '0'), 'w' || i, '', 'p', 'd', 'n' || i, CASE WHEN i % 2 = 0 THEN 1780000000000000 + i END, 1, '{}'
	FROM generate_series(0, $1::integer - 1) i`
)

// filled returns the URL of a store with so many active and ended watches, and deliveries.
func filled(t testing.TB, watches, deliveries int) string {
	t.Helper()
	url := empty(t)
	conn := connect(t, url)
	for _, state := range []store.WatchState{store.Active, store.Ended} {
		run(t, conn, fillWatches, watches, string(state))
	}
	run(t, conn, fillDeliveries, deliveries)
	run(t, conn, fillNotes, deliveries)
	run(t, conn, "VACUUM ANALYZE")
	return url
}

// TestNothingReadsWholeTables does each thing that a server does all the time, on tables that have grown, and
// asks Postgres how many rows it has read for it. Plans are those made for any arguments, which are the worst.
func TestNothingReadsWholeTables(t *testing.T) {
	t.Parallel()
	const rows = 10_000
	url := filled(t, rows, rows)
	conn := connect(t, url)
	run(t, conn, "ALTER DATABASE "+value[string](t, conn, "SELECT current_database()")+" SET plan_cache_mode = force_generic_plan")
	ctx, sc := t.Context(), flyte.Scope{Project: "p3", Domain: "production"}
	now := time.UnixMicro(1780000000000000 + rows)
	since := time.UnixMicro(1780000000000000 + rows - 100)
	flood, id := store.Lane{Connection: "team", Address: "#flood"}, 0
	fresh := func() string { id++; return fmt.Sprint("fresh", id) }
	for name, do := range map[string]func(s *postgres.Store) error{
		"names": func(s *postgres.Store) error {
			_, err := s.Names(ctx, flyte.Shard{Scope: sc, Of: 1}, since, "", 100)
			return err
		},
		"by name": func(s *postgres.Store) error {
			_, err := s.ByName(ctx, sc, since, []string{"f0000000000000000003"})
			return err
		},
		"fresh":  func(s *postgres.Store) error { _, err := s.Fresh(ctx, store.Follow, 100); return err },
		"nodes":  func(s *postgres.Store) error { _, err := s.Nodes(ctx, "", 100); return err },
		"shards": func(s *postgres.Store) error { _, err := s.Shards(ctx); return err },
		"watch":  func(s *postgres.Store) error { _, err := s.Watch(ctx, "nobody"); return unless(err, store.ErrNotFound) },
		"lanes":  func(s *postgres.Store) error { _, err := s.Lanes(ctx, now); return err },
		"due":    func(s *postgres.Store) error { _, err := s.Due(ctx, flood, now, 10); return err },
		"next":   func(s *postgres.Store) error { _, err := s.NextAt(ctx, time.Unix(0, 0)); return err },
		"oldest": func(s *postgres.Store) error { _, err := s.OldestDue(ctx, now); return err },
		"newest": func(s *postgres.Store) error { return s.Deliveries(ctx, store.Filter{Limit: 20}, nothing) },
		"dead":   func(s *postgres.Store) error { return s.Deliveries(ctx, store.Filter{State: "dead"}, nothing) },
		"counts": func(s *postgres.Store) error { _, _, err := s.Counts(ctx); return err },
		"purge": func(s *postgres.Store) error {
			_, err := s.Purge(ctx, since.Add(-time.Hour), since.Add(-time.Hour), 100)
			return err
		},
		"notes": func(s *postgres.Store) error {
			_, err := s.Notes(ctx, "progress", []string{"k0000000000000000003", "none"})
			return err
		},
		"all notes": func(s *postgres.Store) error {
			_, err := s.AllNotes(ctx, "progress", "k0000000000000000003", 100)
			return err
		},
		"notes of": func(s *postgres.Store) error {
			_, err := s.NotesOf(ctx, "progress", flyte.ExecutionID{Scope: flyte.Scope{Project: "p", Domain: "d"}, Name: "n3"})
			return err
		},
		"due notes": func(s *postgres.Store) error {
			_, err := s.DueNotes(ctx, "progress", now, store.Note{Key: "k", Due: since}, 100)
			return err
		},
		"next due":    func(s *postgres.Store) error { _, err := s.NextDue(ctx, "progress"); return err },
		"bundles":     func(s *postgres.Store) error { _, err := s.Bundles(ctx, now, 100); return err },
		"next bundle": func(s *postgres.Store) error { _, err := s.NextBundle(ctx); return err },
		"held":        func(s *postgres.Store) error { _, err := s.Held(ctx, "quiet", 100); return err },
		"found":       func(s *postgres.Store) error { _, err := s.DeliveriesOf(ctx, []string{"none"}); return err },
		"change": func(s *postgres.Store) error {
			return s.Write(ctx, store.Change{
				At: now, Superseded: []string{"none"}, Deliveries: []store.Delivery{testDelivery(fresh())},
				Notes: []store.Note{{Kind: "progress", Key: "k0000000000000000003", Version: 1, Due: now}, {Kind: "progress", Key: fresh()}},
			})
		},
		"register": func(s *postgres.Store) error { _, err := s.Register(ctx, testWatch(fresh())); return err },
		"a life":   func(s *postgres.Store) error { return live(t, s, fresh()) },
		"redrive":  func(s *postgres.Store) error { _, err := s.Redrive(ctx, []string{"nobody"}, now); return err },
		"claim":    func(s *postgres.Store) error { _, _, err := s.Claim(ctx, flyte.Shard{Scope: sc, Of: 1}); return err },
	} {
		read := rowsRead(t, url, do)
		require.Less(t, read, int64(3000), "%s reads %d rows", name, read)
	}
}

func nothing(store.Delivery) error { return nil }

// unless returns an error that is not the expected one.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// live is the life of one delivery.
func live(t testing.TB, s store.Store, id string) error {
	t.Helper()
	insert(t, s, id)
	rates := []store.Rate{{Bucket: "team", PerSecond: 1e9, Burst: 1e9}}
	if _, err := s.Begin(t.Context(), "d-"+id, 0, testTime(), rates); err != nil {
		return err
	}
	return s.Settle(t.Context(), "d-"+id, store.Outcome{
		Attempt: 1, State: store.Delivered, At: testTime(), Event: store.Event{At: testTime(), Kind: "delivered", Text: "slack #ml"},
	})
}

// rowsRead returns how many rows and index entries of our large tables were read. Connections tell when they
// end.
func rowsRead(t testing.TB, url string, do func(s *postgres.Store) error) int64 {
	t.Helper()
	const read = `SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('watches', 'deliveries', 'events', 'notes'))
		+ (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ('watches', 'deliveries', 'events', 'notes')))::bigint`
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	require.NoError(t, err)
	conn := connect(t, url)
	before := value[int64](t, conn, read)
	require.NoError(t, do(s))
	require.NoError(t, s.Close())
	others := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'flyte-notifier'"
	require.Eventually(t, func() bool { return value[int64](t, conn, others) == 0 }, time.Minute, 10*time.Millisecond)
	return value[int64](t, conn, read) - before
}

// TestStartsOfAttemptsTouchNoIndex counts the updates for which Postgres had to write to the table alone (HOT).
func TestStartsOfAttemptsTouchNoIndex(t *testing.T) {
	t.Parallel()
	const deliveries = 50
	url := empty(t)
	s, conn := openAt(t, url), connect(t, url)
	for i := range deliveries {
		insert(t, s, fmt.Sprint(i))
	}
	for i := range deliveries {
		_, err := s.Begin(t.Context(), fmt.Sprint("d-", i), 0, testTime(), []store.Rate{{Bucket: "b", PerSecond: 1e9, Burst: 1e9}})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	hot := func(table string) int64 {
		return value[int64](t, conn, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = 'flyte_notifier' AND relname = $1", table)
	}
	// In a page that has no room left it takes another, until the old rows are pruned; with an index to write to
	// there would be none.
	require.Eventually(t, func() bool { return hot("deliveries") >= deliveries/5 && hot("buckets") >= deliveries/5 },
		time.Minute, 10*time.Millisecond, "deliveries or buckets")
}
