package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// Redrive is store.Ledger's.
func (s *Store) Redrive(ctx context.Context, ids []string, now time.Time) (map[string]store.DeliveryState, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	refused, err := write(ctx, s, func(t *tx) (map[string]store.DeliveryState, error) {
		refused := map[string]store.DeliveryState{}
		for _, id := range ids {
			if err := t.redrive(id, now, refused); err != nil {
				return nil, fmt.Errorf("redrive delivery %s: %w", id, err)
			}
		}
		return refused, nil
	})
	if err != nil {
		return nil, err
	}
	return refused, nil
}

func (t *tx) redrive(id string, now time.Time, refused map[string]store.DeliveryState) error {
	const find = "SELECT seq, " + deliveryColumns + " FROM deliveries WHERE id = ?"
	const revive = `UPDATE deliveries SET state = 'pending', next_at = ?1, since = ?1, spent = attempts,
		settled_at = NULL, opened_at = NULL, held_until = NULL, bundle = '', over = '' WHERE seq = ?2`
	found, err := list(t, table[store.Delivery]{scan: scanDelivery}.scanPlaced, find, id)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		refused[id] = ""
		return nil
	}
	d := found[0].Row
	if d.State != store.Dead && d.State != store.Silenced {
		refused[id] = d.State
		return nil
	}
	p := place{seq: found[0].Seq, watch: d.WatchID, connection: d.Connection, address: d.Address}
	if err := t.exec(revive, now.UnixMicro(), p.seq); err != nil {
		return err
	}
	if err := t.rejoin(p); err != nil {
		return err
	}
	return t.addEvent(d.WatchID, store.RedrivenEvent(d, now))
}

// Counts is store.Ledger's. Triggers keep the counts.
func (s *Store) Counts(ctx context.Context) (map[store.WatchState]int, map[store.DeliveryState]int, error) {
	const query = "SELECT what = 'watches', state, n FROM counts WHERE n > 0"
	tally := engine.NewTally()
	_, err := read(ctx, s.queries, func(row scanner) (struct{}, error) { return struct{}{}, tally.Scan(row.Scan) }, query)
	if err != nil {
		return nil, nil, fmt.Errorf("read counts: %w", err)
	}
	return tally.Watches, tally.Deliveries, nil
}

// Ping is store.Store's: it reads, and commits a write of 64 KiB, since a disk that takes a few bytes
// more may have no room for a transition. (The bytes are random, for SQLite writes what differs.)
func (s *Store) Ping(ctx context.Context) error {
	const beat = "UPDATE pings SET n = n + 1, filler = randomblob(65536) WHERE id = 1"
	var n int64
	if err := s.queries.row(ctx, "SELECT n FROM pings WHERE id = 1", nil, &n); err != nil {
		return fmt.Errorf("read store: %w", err)
	}
	_, err := write(ctx, s, func(t *tx) (struct{}, error) { return struct{}{}, t.exec(beat) })
	if err != nil {
		return fmt.Errorf("write store: %w", err)
	}
	return nil
}
