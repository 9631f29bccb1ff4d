package postgres

import (
	"context"
	"fmt"
	"time"
)

// OldestDue is store.Ledger's. It hops from lane to lane in the index, so that what waits for its turn behind
// another weighs nothing.
func (s *Store) OldestDue(ctx context.Context, now time.Time) (time.Time, error) {
	const query = `WITH RECURSIVE lane AS (
		(SELECT connection, address FROM flyte_notifier.deliveries WHERE head ORDER BY connection, address LIMIT 1)
		UNION ALL SELECT n.connection, n.address FROM lane l CROSS JOIN LATERAL (
			SELECT d.connection, d.address FROM flyte_notifier.deliveries d WHERE d.head AND (d.connection, d.address) > (l.connection, l.address)
			ORDER BY d.connection, d.address LIMIT 1) n)
	SELECT min(first.next_at) FROM lane l CROSS JOIN LATERAL (
		SELECT d.next_at FROM flyte_notifier.deliveries d WHERE d.head AND d.opened_at IS NULL
			AND d.connection = l.connection AND d.address = l.address AND d.next_at <= $1
		ORDER BY d.next_at LIMIT 1) first`
	var oldest *int64
	if err := s.pool.QueryRow(ctx, query, s.clock.theirs(now).UnixMicro()).Scan(&oldest); err != nil {
		return time.Time{}, fmt.Errorf("read the oldest due delivery: %w", err)
	}
	return s.clock.ours(moment(oldest)), nil
}
