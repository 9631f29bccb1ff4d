package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// dueAtOnce bounds what one look at a lane reads.
const dueAtOnce = 1000

// Lanes is store.Outbox's. It hops from lane to lane in the index, so that a million deliveries of one lane
// weigh nothing.
func (s *Store) Lanes(ctx context.Context, now time.Time) ([]store.DueLane, error) {
	const query = `WITH RECURSIVE lane AS (
		(SELECT connection, address FROM flyte_notifier.deliveries WHERE head ORDER BY connection, address LIMIT 1)
		UNION ALL SELECT n.connection, n.address FROM lane l CROSS JOIN LATERAL (
			SELECT d.connection, d.address FROM flyte_notifier.deliveries d WHERE d.head
			AND (d.connection, d.address) > (l.connection, l.address) ORDER BY d.connection, d.address LIMIT 1) n)
	SELECT connection, address FROM lane l WHERE EXISTS (SELECT 1 FROM flyte_notifier.deliveries d WHERE d.head
		AND d.connection = l.connection AND d.address = l.address AND d.next_at <= $1 AND d.opened_at IS NULL)`
	lanes, err := list(ctx, s.pool, scanLane, query, s.clock.theirs(now).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	return lanes, nil
}

func scanLane(row pgx.Row) (l store.DueLane, err error) {
	err = row.Scan(&l.Connection, &l.Address)
	return l, err
}

// Due is store.Outbox's. Of more than dueAtOnce due deliveries it sees those that are due longest.
func (s *Store) Due(ctx context.Context, l store.Lane, now time.Time, limit int) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + ` FROM flyte_notifier.deliveries d WHERE d.seq IN (
		SELECT seq FROM (SELECT seq FROM flyte_notifier.deliveries WHERE head AND opened_at IS NULL
			AND connection = $1 AND address = $2 AND next_at <= $3 ORDER BY next_at LIMIT $4) longest
		ORDER BY seq LIMIT $5) ORDER BY d.seq`
	due, err := list(ctx, s.pool, scanDelivery, query, clean(l.Connection), clean(l.Address), s.clock.theirs(now).UnixMicro(), dueAtOnce, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read due deliveries of lane %s %s: %w", l.Connection, l.Address, err)
	}
	return due, nil
}

// NextAt is store.Outbox's.
func (s *Store) NextAt(ctx context.Context, now time.Time) (time.Time, error) {
	const query = "SELECT min(next_at) FROM flyte_notifier.deliveries WHERE state = 'pending' AND next_at > $1"
	var next *int64
	if err := s.pool.QueryRow(ctx, query, s.clock.theirs(now).UnixMicro()).Scan(&next); err != nil {
		return time.Time{}, fmt.Errorf("read when the next delivery is due: %w", err)
	}
	return s.clock.ours(moment(next)), nil
}
