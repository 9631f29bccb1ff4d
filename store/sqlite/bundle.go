package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Bundles is store.Bundles's.
func (s *Store) Bundles(ctx context.Context, now time.Time, limit int) ([]string, error) {
	const query = `SELECT bundle FROM deliveries INDEXED BY deliveries_held WHERE state = 'held' AND held_until <= ?
		GROUP BY bundle ORDER BY min(held_until), min(seq) LIMIT ?`
	all, err := read(ctx, s.queries, scanText, query, now.UnixMicro(), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read bundles: %w", err)
	}
	return all, nil
}

// NextBundle is store.Bundles's.
func (s *Store) NextBundle(ctx context.Context) (time.Time, error) {
	const query = "SELECT min(held_until) FROM deliveries INDEXED BY deliveries_held WHERE state = 'held'"
	var next sql.NullInt64
	if err := s.queries.row(ctx, query, nil, &next); err != nil {
		return time.Time{}, fmt.Errorf("read when the next bundle is due: %w", err)
	}
	return moment(next), nil
}

// Held is store.Bundles's.
func (s *Store) Held(ctx context.Context, bundle string, limit int) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + ` FROM deliveries INDEXED BY deliveries_bundle
		WHERE state = 'held' AND bundle = ? ORDER BY seq LIMIT ?`
	all, err := read(ctx, s.queries, scanDelivery, query, bundle, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read held deliveries of bundle %s: %w", bundle, err)
	}
	return all, nil
}

// DeliveriesOf is store.Bundles's.
func (s *Store) DeliveriesOf(ctx context.Context, ids []string) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + ` FROM deliveries WHERE seq IN (
		SELECT d.seq FROM json_each(?) AS wanted CROSS JOIN deliveries AS d ON d.id = wanted.value) ORDER BY seq`
	wanted, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("read %d deliveries: %w", len(ids), err)
	}
	all, err := read(ctx, s.queries, scanDelivery, query, string(wanted))
	if err != nil {
		return nil, fmt.Errorf("read %d deliveries: %w", len(ids), err)
	}
	return all, nil
}
