package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// purgeAtOnce is how many rows one transaction removes: its locks are gone in milliseconds.
const purgeAtOnce = 500

// Purge is store.Ledger's. A limit holds for watches and for deliveries each. What does not say when it
// ended goes by the time of its creation: nothing stays for ever. One server purges at a time, and passes by
// what others hold; while another purges it removes nothing.
func (s *Store) Purge(ctx context.Context, watches, deliveries time.Time, limit int) (int, error) {
	purged, err := s.purge(ctx, removing(purgeWatches), watches, limit)
	if err != nil {
		return purged, fmt.Errorf("purge watches: %w", err)
	}
	more, err := s.purge(ctx, removeDeliveries, deliveries, limit)
	if err != nil {
		return purged + more, fmt.Errorf("purge deliveries: %w", err)
	}
	for _, query := range []string{purgeBuckets, purgeHolds} {
		if _, err := s.purgeSome(ctx, removing(query), deliveries, limit); err != nil {
			return purged + more, fmt.Errorf("purge what nobody needs any more: %w", err)
		}
	}
	if err := s.sumCounts(ctx); err != nil {
		return purged + more, fmt.Errorf("sum counts: %w", err)
	}
	return purged + more, nil
}

const (
	purgeWatches = `WITH gone AS MATERIALIZED (
		SELECT w.seq, w.id FROM flyte_notifier.watches w WHERE w.state <> 'active' AND coalesce(w.ended_at, w.created_at) < $1
		AND NOT EXISTS (SELECT 1 FROM flyte_notifier.deliveries d WHERE d.state = 'pending' AND d.watch_id = w.id)
		AND NOT EXISTS (SELECT 1 FROM flyte_notifier.deliveries d WHERE d.state = 'held' AND d.watch_id = w.id)
		AND NOT EXISTS (SELECT 1 FROM flyte_notifier.notes n WHERE n.watch_id = w.id AND n.watch_id <> '' AND n.due IS NOT NULL)
		ORDER BY coalesce(w.ended_at, w.created_at) LIMIT $2 FOR UPDATE SKIP LOCKED),
	kept AS (INSERT INTO flyte_notifier.purged_watches (id) SELECT id FROM gone ORDER BY id
		ON CONFLICT (id) DO UPDATE SET unwatched = false),
	notes AS (DELETE FROM flyte_notifier.notes n USING gone WHERE n.watch_id = gone.id AND n.watch_id <> ''),
	ids AS (DELETE FROM flyte_notifier.purged_deliveries p USING gone WHERE p.watch_id = gone.id),
	lines AS (DELETE FROM flyte_notifier.events e USING gone WHERE e.watch = gone.seq)
	DELETE FROM flyte_notifier.watches w USING gone WHERE w.seq = gone.seq`

	purgeDeliveries = `WITH gone AS MATERIALIZED (
		SELECT d.seq, d.id, d.watch_id FROM flyte_notifier.deliveries d
		WHERE d.state <> 'pending' AND d.state <> 'held' AND coalesce(d.settled_at, d.created_at) < $1
		ORDER BY coalesce(d.settled_at, d.created_at) LIMIT $2 FOR UPDATE SKIP LOCKED),
	kept AS (INSERT INTO flyte_notifier.purged_deliveries (watch_id, id)
		SELECT gone.watch_id, gone.id FROM gone JOIN flyte_notifier.watches w ON w.id = gone.watch_id ON CONFLICT DO NOTHING)
	DELETE FROM flyte_notifier.deliveries d USING gone WHERE d.seq = gone.seq RETURNING d.watch_id`

	// Buckets that have long been full, and holds that are over, are as good as none.
	purgeBuckets = `DELETE FROM flyte_notifier.buckets WHERE name IN (
		SELECT name FROM flyte_notifier.buckets WHERE tat / 1000 < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`
	purgeHolds = `DELETE FROM flyte_notifier.holds WHERE (connection, address) IN (
		SELECT connection, address FROM flyte_notifier.holds WHERE until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`
)

// purge removes rows in small transactions, until the limit or until there are no more.
func (s *Store) purge(ctx context.Context, remove remover, before time.Time, limit int) (int, error) {
	purged := 0
	for purged < limit {
		size := min(limit-purged, purgeAtOnce)
		n, err := s.purgeSome(ctx, remove, before, size)
		if err != nil {
			return purged, err
		}
		if purged += n; n < size {
			break
		}
	}
	return purged, nil
}

func (s *Store) purgeSome(ctx context.Context, remove remover, before time.Time, limit int) (int, error) {
	return write(ctx, s, func(tx pgx.Tx) (int, error) {
		if alone, err := purgesAlone(ctx, tx); err != nil || !alone {
			return 0, err
		}
		return remove(ctx, tx, before, limit)
	})
}

// remover removes at most limit rows of before some time, and returns how many there were.
type remover func(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error)

// removing is a remover of one statement.
func removing(query string) remover {
	return func(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
		tag, err := tx.Exec(ctx, query, before.UnixMicro(), max(limit, 0))
		return int(tag.RowsAffected()), err
	}
}

// removeDeliveries removes settled deliveries, and then the ids that no watch has and none goes by any more. For
// these it looks once it has their locks: until then somebody may insert another. Whoever holds one of these locks
// has a delivery there, which is purged later on.
func removeDeliveries(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	const lock = "SELECT id FROM flyte_notifier.purged_watches WHERE unwatched AND id = ANY($1) FOR UPDATE SKIP LOCKED"
	const remove = `DELETE FROM flyte_notifier.purged_watches p WHERE p.id = ANY($1)
		AND NOT EXISTS (SELECT 1 FROM flyte_notifier.deliveries d WHERE d.watch_id = p.id)`
	owners, err := list(ctx, tx, scanText, purgeDeliveries, before.UnixMicro(), max(limit, 0))
	if err != nil || len(owners) == 0 {
		return 0, err
	}
	ids, err := list(ctx, tx, scanText, lock, owners)
	if err == nil && len(ids) > 0 {
		_, err = tx.Exec(ctx, remove, ids)
	}
	return len(owners), err
}

func purgesAlone(ctx context.Context, tx pgx.Tx) (alone bool, err error) {
	err = tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1, 0)", purgeLock).Scan(&alone)
	return alone, err
}

// sumCounts adds what connections have counted that are gone to our own.
func (s *Store) sumCounts(ctx context.Context) error {
	const query = `WITH gone AS (
		DELETE FROM flyte_notifier.counts WHERE (what, state, slot) IN (
			SELECT what, state, slot FROM flyte_notifier.counts
			WHERE slot NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL) FOR UPDATE SKIP LOCKED)
		RETURNING what, state, n)
	INSERT INTO flyte_notifier.counts AS c (what, state, slot, n)
		SELECT what, state, pg_backend_pid(), sum(n) FROM gone GROUP BY what, state HAVING sum(n) <> 0 ORDER BY what, state
		ON CONFLICT (what, state, slot) DO UPDATE SET n = c.n + excluded.n`
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) {
		alone, err := purgesAlone(ctx, tx)
		if err == nil && alone {
			_, err = tx.Exec(ctx, query)
		}
		return struct{}{}, err
	})
	return err
}
