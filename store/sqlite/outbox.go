package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// dueAtOnce bounds what one look at a lane reads.
const dueAtOnce = 1000

// Lanes is store.Outbox's. It hops from lane to lane in the index, so that a million deliveries of
// one lane weigh nothing. The first of a lane in the index is the earliest.
func (s *Store) Lanes(ctx context.Context, now time.Time) ([]store.Lane, error) {
	const query = `WITH RECURSIVE lane(seq) AS (
		SELECT (SELECT d.seq FROM deliveries d INDEXED BY deliveries_due
			WHERE d.head = 1 AND d.opened_at IS NULL ORDER BY d.connection, d.address, d.next_at LIMIT 1)
		UNION ALL
		SELECT (SELECT n.seq FROM deliveries n INDEXED BY deliveries_due
			WHERE n.head = 1 AND n.opened_at IS NULL AND (n.connection, n.address) > (d.connection, d.address)
			ORDER BY n.connection, n.address, n.next_at LIMIT 1)
		FROM lane l JOIN deliveries d ON d.seq = l.seq)
	SELECT d.connection, d.address FROM lane l JOIN deliveries d ON d.seq = l.seq WHERE d.next_at <= ?
	ORDER BY 1, 2`
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
	limit = min(max(limit, 0), dueAtOnce)
	oldest, err := s.oldestDue(ctx, l, now, limit)
	if err != nil || len(oldest) == 0 {
		return nil, wrapDue(l, err)
	}
	args := make([]any, len(oldest))
	for i, seq := range oldest {
		args[i] = seq
	}
	query := "SELECT " + deliveryColumns + " FROM deliveries WHERE seq IN (" + placeholders(1, len(args)) + `)
		AND head = 1 AND opened_at IS NULL ORDER BY seq`
	all, err := readOnce(ctx, s.queries, scanDelivery, query, args...)
	return all, wrapDue(l, err)
}

// oldestDue returns the places of the first deliveries to send, by age. It reads an index only.
func (s *Store) oldestDue(ctx context.Context, l store.Lane, now time.Time, limit int) ([]int64, error) {
	const query = `SELECT seq FROM deliveries INDEXED BY deliveries_due
		WHERE head = 1 AND opened_at IS NULL AND connection = ? AND address = ? AND next_at <= ?
		ORDER BY next_at, seq LIMIT ?`
	seqs, err := read(ctx, s.queries, scanInt, query, l.Connection, l.Address, now.UnixMicro(), dueAtOnce)
	slices.SortFunc(seqs, cmp.Compare[int64])
	return seqs[:min(len(seqs), limit)], err
}

func scanInt(row scanner) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}

func wrapDue(l store.Lane, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read due deliveries of lane %s %s: %w", l.Connection, l.Address, err)
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
