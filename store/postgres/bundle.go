package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Bundles is store.Bundles's.
func (s *Store) Bundles(ctx context.Context, now time.Time, limit int) ([]string, error) {
	const query = `SELECT d.bundle FROM flyte_notifier.deliveries d WHERE d.state = 'held' AND d.held_until <= $1
		GROUP BY d.bundle ORDER BY min(d.held_until), min(d.seq) LIMIT $2`
	all, err := list(ctx, s.pool, scanText, query, now.UnixMicro(), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read bundles: %w", err)
	}
	return all, nil
}

// NextBundle is store.Bundles's.
func (s *Store) NextBundle(ctx context.Context) (time.Time, error) {
	const query = "SELECT min(d.held_until) FROM flyte_notifier.deliveries d WHERE d.state = 'held'"
	var next *int64
	if err := s.pool.QueryRow(ctx, query).Scan(&next); err != nil {
		return time.Time{}, fmt.Errorf("read when the next bundle is due: %w", err)
	}
	return moment(next), nil
}

// Held is store.Bundles's.
func (s *Store) Held(ctx context.Context, bundle string, limit int) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + ` FROM flyte_notifier.deliveries d
		WHERE d.state = 'held' AND d.bundle = $1 ORDER BY d.seq LIMIT $2`
	all, err := list(ctx, s.pool, scanDelivery, query, clean(bundle), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read held deliveries of bundle %s: %w", bundle, err)
	}
	return all, nil
}

// DeliveriesOf is store.Bundles's.
func (s *Store) DeliveriesOf(ctx context.Context, ids []string) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + " FROM flyte_notifier.deliveries d WHERE d.id = ANY($1) ORDER BY d.seq"
	all, err := list(ctx, s.pool, scanDelivery, query, cleaned(ids))
	if err != nil {
		return nil, fmt.Errorf("read %d deliveries: %w", len(ids), err)
	}
	return all, nil
}
