package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// Redrive is store.Ledger's.
func (s *Store) Redrive(ctx context.Context, ids []string, now time.Time) (map[string]store.DeliveryState, error) {
	refused := map[string]store.DeliveryState{}
	now = s.clock.theirs(now)
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for chunk := range slices.Chunk(ids, engine.BatchSize) {
		more, err := write(ctx, s, func(tx pgx.Tx) (map[string]store.DeliveryState, error) { return s.redrive(ctx, tx, chunk, now) })
		if err != nil {
			return nil, fmt.Errorf("redrive deliveries: %w", err)
		}
		for id, state := range more {
			refused[id] = state
		}
	}
	return refused, nil
}

func (s *Store) redrive(ctx context.Context, tx pgx.Tx, ids []string, now time.Time) (map[string]store.DeliveryState, error) {
	found, watches, err := lockForRedrive(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]store.Delivery, len(found))
	for _, d := range found {
		byID[d.ID] = d
	}
	refused := map[string]store.DeliveryState{}
	var revived []string
	var lanes turns
	var events eventRows
	for _, id := range ids {
		d, ok := byID[clean(id)]
		if !ok || d.State != store.Dead && d.State != store.Silenced {
			refused[id] = d.State
			continue
		}
		revived = append(revived, d.ID)
		lanes.add(turnOf(d))
		if seq, ok := watches[d.WatchID]; ok {
			events.add(seq, store.RedrivenEvent(d, now))
		}
	}
	return refused, s.revive(ctx, tx, revived, now, &lanes, &events)
}

// lockForRedrive locks the watches, and with the deliveries those that they may be put before.
func lockForRedrive(ctx context.Context, tx pgx.Tx, ids []string) ([]store.Delivery, map[string]int64, error) {
	const lock = "SELECT " + deliveryColumns + ` FROM flyte_notifier.deliveries d WHERE d.seq IN (
		SELECT seq FROM flyte_notifier.deliveries WHERE id = ANY($1)
		UNION SELECT n.seq FROM flyte_notifier.deliveries n WHERE n.state = 'pending' AND n.head AND n.watch_id IN (` + ownersOf + `))
	ORDER BY d.id FOR NO KEY UPDATE`
	ids = cleaned(ids)
	var watches []locked
	var found []store.Delivery
	var p pipeline
	lockOwners(&p, &watches, ownersOf, ids)
	into(&p, &found, scanDelivery, lock, ids)
	if err := p.run(ctx, tx); err != nil {
		return nil, nil, err
	}
	return found, seqsOf(watches), nil
}

// demote takes it from heads of lanes that something earlier is pending in.
const demote = `UPDATE flyte_notifier.deliveries d SET head = false
	FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[]) AS i(watch, connection, address)) l
	WHERE d.state = 'pending' AND d.head AND d.watch_id = l.watch AND d.connection = l.connection AND d.address = l.address
	AND EXISTS (SELECT 1 FROM flyte_notifier.deliveries n WHERE n.state = 'pending' AND n.watch_id = l.watch
		AND n.connection = l.connection AND n.address = l.address AND n.seq < d.seq)`

// revive makes deliveries pending, and finds who is the head of their lanes now.
func (s *Store) revive(ctx context.Context, tx pgx.Tx, ids []string, now time.Time, lanes *turns, events *eventRows) error {
	const revive = `UPDATE flyte_notifier.deliveries SET state = 'pending', next_at = $1, since = $1, spent = attempts,
		settled_at = NULL, opened_at = NULL, held_until = NULL, bundle = '', over = '', head = false WHERE id = ANY($2)`
	if len(ids) == 0 {
		return nil
	}
	var heads []queued
	var p pipeline
	p.exec(revive, now.UnixMicro(), ids)
	p.exec(demote, lanes.watch, lanes.connection, lanes.address)
	promote(&p, lanes, &heads)
	events.insert(&p)
	if err := p.run(ctx, tx); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, heads)
}

// Counts is store.Ledger's. Triggers keep the counts.
func (s *Store) Counts(ctx context.Context) (map[store.WatchState]int, map[store.DeliveryState]int, error) {
	const query = "SELECT what = 'watches', state, sum(n)::bigint FROM flyte_notifier.counts GROUP BY what, state HAVING sum(n) > 0"
	tally := engine.NewTally()
	_, err := list(ctx, s.pool, func(row pgx.Row) (struct{}, error) { return struct{}{}, tally.Scan(row.Scan) }, query)
	if err != nil {
		return nil, nil, fmt.Errorf("read counts: %w", err)
	}
	return tally.Watches, tally.Deliveries, nil
}

// Ping is store.Store's: it reads, and commits a write.
func (s *Store) Ping(ctx context.Context) error {
	const beat = "UPDATE flyte_notifier.pings SET n = n + 1 WHERE id = 1"
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) {
		tag, err := tx.Exec(ctx, beat)
		if err == nil && tag.RowsAffected() == 0 {
			err = store.ErrNotFound
		}
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("write store: %w", err)
	}
	return nil
}
