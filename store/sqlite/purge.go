package sqlite

import (
	"context"
	"fmt"
	"time"
)

// purgeAtOnce is how many rows one transaction removes: others write in between.
const purgeAtOnce = 200

// Purge is store.Ledger's. A limit holds for watches and for deliveries each. What does not say when
// it ended goes by the time of its creation: nothing stays for ever.
func (s *Store) Purge(ctx context.Context, watches, deliveries time.Time, limit int) (int, error) {
	purged, err := s.purge(ctx, limit, func(t *tx, n int) (int, error) { return t.purgeWatches(watches, n) })
	if err != nil {
		return purged, fmt.Errorf("purge watches: %w", err)
	}
	more, err := s.purge(ctx, limit, func(t *tx, n int) (int, error) { return t.purgeDeliveries(deliveries, n) })
	if err != nil {
		return purged + more, fmt.Errorf("purge deliveries: %w", err)
	}
	_, err = write(ctx, s, func(t *tx) (struct{}, error) { return struct{}{}, t.purgeRest(deliveries, limit) })
	if err != nil {
		return purged + more, fmt.Errorf("purge what nobody needs any more: %w", err)
	}
	return purged + more, nil
}

// purge removes rows in small transactions, until the limit or until there are no more.
func (s *Store) purge(ctx context.Context, limit int, remove func(t *tx, n int) (int, error)) (int, error) {
	purged := 0
	for purged < limit {
		size := min(limit-purged, purgeAtOnce)
		n, err := write(ctx, s, func(t *tx) (int, error) { return remove(t, size) })
		if err != nil {
			return purged, err
		}
		if purged += n; n < size {
			break
		}
	}
	return purged, nil
}

func (t *tx) purgeWatches(before time.Time, n int) (int, error) {
	const find = `SELECT id FROM watches w INDEXED BY watches_left WHERE state <> 'active' AND coalesce(ended_at, created_at) < ?
		AND NOT EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_order WHERE d.state = 'pending' AND d.watch_id = w.id)
		AND NOT EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_watch WHERE d.state = 'held' AND d.watch_id = w.id)
		AND NOT EXISTS (SELECT 1 FROM notes n WHERE n.watch_id = w.id AND n.watch_id <> '' AND n.due IS NOT NULL)
		AND NOT EXISTS (SELECT 1 FROM notes n INDEXED BY notes_watch WHERE n.watch_id = w.id AND n.watch_id <> '' AND n.due IS NOT NULL)
		ORDER BY coalesce(ended_at, created_at) LIMIT ?`
	ids, err := list(t, scanText, find, before.UnixMicro(), n)
	if err != nil {
		return 0, err
	}
	t.touch(ids...)
	return len(ids), t.each(ids,
		"INSERT INTO purged_watches (id) VALUES (?) ON CONFLICT DO NOTHING",
		"DELETE FROM purged_deliveries WHERE watch_id = ?",
		"DELETE FROM notes INDEXED BY notes_watch WHERE watch_id = ? AND watch_id <> ''",
		"DELETE FROM events WHERE watch = (SELECT w.seq FROM watches w WHERE w.id = ?)",
		"DELETE FROM watches WHERE id = ?")
}

func (t *tx) purgeDeliveries(before time.Time, n int) (int, error) {
	const find = `SELECT id FROM deliveries INDEXED BY deliveries_settled
		WHERE state <> 'pending' AND state <> 'held' AND coalesce(settled_at, created_at) < ?
		ORDER BY coalesce(settled_at, created_at) LIMIT ?`
	ids, err := list(t, scanText, find, before.UnixMicro(), n)
	if err != nil {
		return 0, err
	}
	return len(ids), t.each(ids,
		`INSERT INTO purged_deliveries (watch_id, id) SELECT w.id, d.id FROM deliveries d JOIN watches w ON w.id = d.watch_id
			WHERE d.id = ? ON CONFLICT DO NOTHING`,
		"DELETE FROM deliveries WHERE id = ?")
}

// purgeRest forgets what is not there by default: full buckets, holds that are over, and the ids of
// deliveries whose watch is gone for sure (see migration 2).
func (t *tx) purgeRest(before time.Time, n int) error {
	for _, query := range []string{
		"DELETE FROM buckets WHERE name IN (SELECT name FROM buckets WHERE tat / 1000 < ? LIMIT ?)",
		`DELETE FROM holds WHERE (connection, address) IN (SELECT connection, address FROM holds WHERE until < ? LIMIT ?)`,
	} {
		if err := t.exec(query, before.UnixMicro(), max(n, 0)); err != nil {
			return err
		}
	}
	const unplaced = `DELETE FROM purged_unplaced WHERE id IN (SELECT id FROM purged_unplaced
		WHERE newest < (SELECT coalesce(min(seq), 9223372036854775807) FROM watches) LIMIT ?)`
	return t.exec(unplaced, max(n, 0))
}

// each runs every query for every id.
func (t *tx) each(ids []string, queries ...string) error {
	for _, id := range ids {
		for _, query := range queries {
			if err := t.exec(query, id); err != nil {
				return err
			}
		}
	}
	return nil
}
