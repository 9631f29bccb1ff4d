package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Watch is store.Registry's. A purged watch comes back as Ended, as it does from Register.
func (s *Store) Watch(ctx context.Context, id string) (store.Watch, error) {
	const query = "SELECT " + watchColumns + " FROM flyte_notifier.watches w WHERE w.id = $1"
	const purged = "SELECT id FROM flyte_notifier.purged_watches WHERE id = $1 AND NOT unwatched"
	w, err := scanWatch(s.pool.QueryRow(ctx, query, clean(id)))
	if errors.Is(err, pgx.ErrNoRows) {
		w = store.Watch{State: store.Ended}
		err = s.pool.QueryRow(ctx, purged, clean(id)).Scan(&w.ID)
	}
	if err != nil {
		return store.Watch{}, fmt.Errorf("read watch %s: %w", id, notFound(err))
	}
	return w, nil
}

// Cancel is store.Registry's.
func (s *Store) Cancel(ctx context.Context, id string, attempt uint32, reason string, now time.Time) error {
	const cancel = `WITH cancelled AS (
		UPDATE flyte_notifier.watches SET state = 'cancelled', reason = $1, ended_at = $2, version = version + 1
		WHERE id = $3 AND state = 'active' AND attempt <= $4 RETURNING seq)
	INSERT INTO flyte_notifier.events (watch, at, kind, text) SELECT seq, $5, $6, $7 FROM cancelled`
	event := store.CancelledEvent(reason, now)
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) {
		_, err := tx.Exec(ctx, cancel, clean(reason), now.UnixMicro(), clean(id), int64(attempt),
			event.At.UnixMicro(), event.Kind, clean(event.Text))
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("cancel watch %s: %w", id, err)
	}
	return nil
}

// WatchDeliveries is store.Registry's.
func (s *Store) WatchDeliveries(ctx context.Context, watchID string) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + " FROM flyte_notifier.deliveries d WHERE d.watch_id = $1 ORDER BY d.seq"
	all, err := list(ctx, s.pool, scanDelivery, query, clean(watchID))
	if err != nil {
		return nil, fmt.Errorf("read deliveries of watch %s: %w", watchID, err)
	}
	return all, nil
}
