package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	adoptEvery   = time.Minute
	rehomeAfter  = 15          // times that went well
	adoptOverdue = time.Minute // how long a delivery waits for its job before it is given one
	adoptAtOnce  = 10000       // in one transaction

	// A job that was taken so long ago has lost its server, and should have been rescued: River's leader goes
	// by its own clock for that, which may be behind.
	adoptStuck = "2 minutes"
)

// keepAdopting adopts deliveries until ctx ends: all of them at first, later those that are overdue. Once
// Postgres was there for so long that every server has reported its queues, it looks for queues without servers.
func (s *Store) keepAdopting(ctx context.Context) {
	well := 0
	for first := true; ctx.Err() == nil; {
		before := s.clock.Now().Add(-adoptOverdue)
		if first {
			before = time.UnixMicro(math.MaxInt64)
		}
		n, err := s.adopt(ctx, before)
		if well++; err == nil && well > rehomeAfter {
			err = s.rehome(ctx)
		}
		if err != nil {
			well = 0
		}
		if n > 0 {
			s.options.Log.InfoContext(ctx, "deliveries without jobs were given some", "deliveries", n)
		}
		if err != nil && ctx.Err() == nil {
			s.jobs.log.WarnContext(ctx, "deliveries that nobody sends cannot be looked for yet", "error", err)
		}
		first = first && err != nil
		sleep(ctx, adoptEvery)
	}
}

// adopt inserts jobs for heads due before some time that have none: their jobs were deleted or
// cancelled by hand, or are stuck, or there were never any (a store that was filled by another engine). One server
// does it at a time; while another does, it does nothing.
func (s *Store) adopt(ctx context.Context, before time.Time) (n int, err error) {
	n, err = s.inParts(ctx, func(tx pgx.Tx) (int, error) { return s.adoptSome(ctx, tx, before) })
	if err != nil {
		return n, fmt.Errorf("adopt deliveries: %w", err)
	}
	return n, nil
}

// inParts does some of the work, adoptAtOnce at most, in each of as many transactions as it takes. Where another
// server does such work it does nothing.
func (s *Store) inParts(ctx context.Context, some func(tx pgx.Tx) (int, error)) (n int, err error) {
	for {
		done, err := write(ctx, s, func(tx pgx.Tx) (int, error) {
			if mine, err := alone(ctx, tx); err != nil || !mine {
				return 0, err
			}
			return some(tx)
		})
		if err != nil {
			return n, err
		}
		if n += done; done < adoptAtOnce {
			return n, nil
		}
	}
}

func (s *Store) adoptSome(ctx context.Context, tx pgx.Tx, before time.Time) (int, error) {
	const find = "SELECT " + queuedColumns + ` FROM flyte_notifier.deliveries d LEFT JOIN (
			SELECT j.args->>'id' AS id FROM flyte_notifier.river_job j WHERE j.kind = '` + deliveryKind + `'
			AND (j.state IN ('available', 'pending', 'retryable', 'scheduled')
			OR j.state = 'running' AND j.attempted_at > now() - interval '` + adoptStuck + `')) live ON live.id = d.id
		WHERE d.head AND d.next_at < $1 AND live.id IS NULL LIMIT $2`
	found, err := list(ctx, tx, scanQueued, find, before.UnixMicro(), adoptAtOnce)
	if err != nil {
		return 0, err
	}
	return len(found), s.enqueue(ctx, tx, found)
}

// alone says whether no other server looks now. It lets the transaction join by hashing: there may be many rows
// of both sides, and the planner knows nothing of what is in args.
func alone(ctx context.Context, tx pgx.Tx) (mine bool, err error) {
	const lock = `SELECT pg_try_advisory_xact_lock($1, 0), set_config('enable_nestloop', 'off', true),
		set_config('enable_hashjoin', 'on', true), set_config('enable_seqscan', 'on', true)`
	err = tx.QueryRow(ctx, lock, int32(adoptLock)).Scan(&mine, nil, nil, nil)
	return mine, err
}

// rehome hands jobs that are overdue in a queue that no server works on to all servers: its connection was
// removed from their configs, and somebody has to say so. Servers report their queues at their start, and each 10
// minutes.
func (s *Store) rehome(ctx context.Context) error {
	const move = `UPDATE flyte_notifier.river_job SET queue = $1 WHERE state = 'available' AND id IN (
		SELECT j.id FROM flyte_notifier.river_job j
		WHERE j.state = 'available' AND j.kind = $2 AND j.queue <> $1 AND j.scheduled_at < now() - interval '1 minute'
		AND NOT EXISTS (SELECT FROM flyte_notifier.river_queue q WHERE q.name = j.queue AND q.updated_at > now() - interval '25 minutes')
		LIMIT $3)`
	_, err := s.inParts(ctx, func(tx pgx.Tx) (int, error) {
		tag, err := tx.Exec(ctx, move, commonQueue, deliveryKind, adoptAtOnce)
		return int(tag.RowsAffected()), err
	})
	if err != nil {
		return fmt.Errorf("hand over jobs of connections that are gone: %w", err)
	}
	return nil
}
