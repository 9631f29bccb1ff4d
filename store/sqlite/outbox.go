package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// dueAtOnce bounds what one look at a lane reads.
const dueAtOnce = 1000

// firstOfLanes finds, for each lane that has something to send, what is due first. It hops from lane to
// lane in the index, so that a million deliveries of one lane weigh nothing.
const firstOfLanes = `WITH RECURSIVE lane(seq) AS (
	SELECT (SELECT seq FROM deliveries INDEXED BY deliveries_due WHERE head = 1 AND opened_at IS NULL
		ORDER BY connection, address, next_at LIMIT 1)
	UNION ALL SELECT coalesce(
		(SELECT n.seq FROM deliveries n INDEXED BY deliveries_due WHERE n.head = 1 AND n.opened_at IS NULL
			AND n.connection = d.connection AND n.address > d.address ORDER BY n.address, n.next_at LIMIT 1),
		(SELECT n.seq FROM deliveries n INDEXED BY deliveries_due WHERE n.head = 1 AND n.opened_at IS NULL
			AND n.connection > d.connection ORDER BY n.connection, n.address, n.next_at LIMIT 1))
	FROM lane l JOIN deliveries d ON d.seq = l.seq)
`

// Lanes is store.Outbox's.
func (s *Store) Lanes(ctx context.Context, now time.Time) ([]store.Lane, error) {
	const query = firstOfLanes + `SELECT d.connection, d.address FROM lane l JOIN deliveries d ON d.seq = l.seq
		WHERE d.next_at <= ? ORDER BY 1, 2`
	lanes, err := read(ctx, s.queries, scanLane, query, now.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	return lanes, nil
}

func scanLane(row scanner) (l store.Lane, err error) {
	err = row.Scan(&l.Connection, &l.Address)
	return l, err
}

// Due is store.Outbox's. Of more than dueAtOnce due deliveries it sees those that are due longest.
func (s *Store) Due(ctx context.Context, l store.Lane, now time.Time, limit int) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + ` FROM deliveries WHERE seq IN (
		SELECT seq FROM (SELECT seq FROM deliveries INDEXED BY deliveries_due
			WHERE head = 1 AND opened_at IS NULL AND connection = ? AND address = ? AND next_at <= ?
			ORDER BY next_at, seq LIMIT ?) ORDER BY seq LIMIT ?) ORDER BY seq`
	due, err := read(ctx, s.queries, scanDelivery, query, l.Connection, l.Address, now.UnixMicro(), dueAtOnce, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read due deliveries of lane %s %s: %w", l.Connection, l.Address, err)
	}
	return due, nil
}

// NextAt is store.Outbox's.
func (s *Store) NextAt(ctx context.Context, now time.Time) (time.Time, error) {
	const query = `SELECT min(next_at) FROM deliveries INDEXED BY deliveries_next
		WHERE state = 'pending' AND next_at > ?`
	var next sql.NullInt64
	if err := s.queries.row(ctx, query, []any{now.UnixMicro()}, &next); err != nil {
		return time.Time{}, fmt.Errorf("read when the next delivery is due: %w", err)
	}
	return moment(next), nil
}

// OldestDue is store.Ledger's.
func (s *Store) OldestDue(ctx context.Context, now time.Time) (time.Time, error) {
	const query = firstOfLanes + "SELECT min(d.next_at) FROM lane l JOIN deliveries d ON d.seq = l.seq WHERE d.next_at <= ?"
	var oldest sql.NullInt64
	if err := s.queries.row(ctx, query, []any{now.UnixMicro()}, &oldest); err != nil {
		return time.Time{}, fmt.Errorf("read the oldest due delivery: %w", err)
	}
	return moment(oldest), nil
}
