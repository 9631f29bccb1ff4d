package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Import takes watches over from another store, with all that goes with them, in one transaction. What is
// there already, or was purged, stays as it is: importing twice is importing once. Deliveries that may be
// sent are handed out at once. It returns how many watches and deliveries were new.
func (s *Store) Import(ctx context.Context, parcels []store.Parcel) (watches, deliveries int, err error) {
	for i := range parcels {
		parcels[i] = cleanParcel(parcels[i])
	}
	type counts struct{ watches, deliveries int }
	n, err := write(ctx, s, func(tx pgx.Tx) (n counts, err error) {
		inserted, err := importWatches(ctx, tx, parcels)
		if err != nil {
			return n, err
		}
		n.watches = len(inserted)
		n.deliveries, err = s.importRest(ctx, tx, parcels, inserted)
		return n, err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("import watches: %w", err)
	}
	return n.watches, n.deliveries, nil
}

func cleanParcel(p store.Parcel) store.Parcel {
	p.Watch = cleanWatch(p.Watch)
	p.Deliveries = slices.Clone(p.Deliveries)
	for i, d := range p.Deliveries {
		p.Deliveries[i] = cleanDelivery(d)
	}
	return p
}

// importWatches inserts the watches that are new, in the order of the parcels, and returns their seqs.
func importWatches(ctx context.Context, tx pgx.Tx, parcels []store.Parcel) (map[string]int64, error) {
	const query = insertUnknown + ` ON CONFLICT (id) DO NOTHING RETURNING id, seq, version`
	var rows watchRows
	for _, p := range parcels {
		if p.Purged {
			continue
		}
		if err := rows.add(p.Watch); err != nil {
			return nil, fmt.Errorf("watch %s: %w", p.Watch.ID, err)
		}
	}
	inserted := map[string]int64{}
	if len(rows.id) == 0 {
		return inserted, nil
	}
	all, err := list(ctx, tx, scanLocked, query, rows.args()...)
	for _, l := range all {
		inserted[l.id] = l.seq
	}
	return inserted, err
}

// importRest inserts what goes with watches: timelines of those that were inserted just now, and deliveries
// that are not known yet of those that are there.
func (s *Store) importRest(ctx context.Context, tx pgx.Tx, parcels []store.Parcel, inserted map[string]int64) (int, error) {
	jobs := make([]*job[*movement], len(parcels))
	for i, p := range parcels {
		jobs[i] = &job[*movement]{In: &movement{watch: p.Watch, still: p.Purged, edits: edits{deliveries: p.Deliveries}}}
	}
	g, err := survey(ctx, tx, jobs)
	if err != nil {
		return 0, err
	}
	var rows moves
	var owners, forgotten []string
	for _, p := range parcels {
		if p.Purged {
			delete(g.gone, p.Watch.ID) // its deliveries outlived it there, and do so here
		}
		if err := rows.deliver(g, p.Deliveries); err != nil {
			return 0, err
		}
		if seq, isNew := inserted[p.Watch.ID]; isNew {
			for _, e := range p.Events {
				rows.events.add(seq, e)
			}
		}
		for _, id := range p.Forgotten {
			owners, forgotten = append(owners, p.Watch.ID), append(forgotten, clean(id))
		}
	}
	return len(rows.deliveries.id), s.saveRest(ctx, tx, &rows, owners, forgotten)
}

func (s *Store) saveRest(ctx context.Context, tx pgx.Tx, rows *moves, owners, forgotten []string) error {
	const forget = `INSERT INTO flyte_notifier.purged_deliveries (watch_id, id) SELECT i.watch, i.id
		FROM unnest($1::text[], $2::text[]) AS i(watch, id) JOIN flyte_notifier.watches w ON w.id = i.watch
		ORDER BY 1, 2 ON CONFLICT DO NOTHING`
	var p pipeline
	if n := len(rows.deliveries.id); n > 0 {
		p.batch.Queue(insertDeliveries, rows.deliveries.args()...).Exec(inserted(n))
	}
	rows.events.insert(&p)
	if len(forgotten) > 0 {
		p.exec(forget, owners, forgotten)
	}
	if err := p.run(ctx, tx); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, rows.heads)
}

// ImportPurged takes over the ids of watches that were purged.
func (s *Store) ImportPurged(ctx context.Context, ids []string) error {
	const query = `INSERT INTO flyte_notifier.purged_watches (id) SELECT i.id FROM unnest($1::text[]) AS i(id)
		WHERE NOT EXISTS (SELECT 1 FROM flyte_notifier.watches w WHERE w.id = i.id) ORDER BY i.id ON CONFLICT DO NOTHING`
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) {
		_, err := tx.Exec(ctx, query, ids)
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("import ids of purged watches: %w", err)
	}
	return nil
}

// ImportSundries takes over what belongs to no watch. Of two buckets or holds the later one counts.
func (s *Store) ImportSundries(ctx context.Context, all store.Sundries) error {
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) {
		var p pipeline
		for _, b := range all.Buckets {
			p.exec(`INSERT INTO flyte_notifier.buckets AS b (name, tat) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET tat = greatest(b.tat, excluded.tat)`, clean(b.Name), b.FullAt)
		}
		for _, h := range all.Holds {
			p.exec(`INSERT INTO flyte_notifier.holds AS h (connection, address, until) VALUES ($1, $2, $3)
				ON CONFLICT (connection, address) DO UPDATE SET until = greatest(h.until, excluded.until)`,
				clean(h.Lane.Connection), clean(h.Lane.Address), h.Until)
		}
		for _, r := range all.Resolved {
			p.exec("INSERT INTO flyte_notifier.resolved (connection, address, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
				clean(r.Lane.Connection), clean(r.Lane.Address), r.Value)
		}
		return struct{}{}, p.run(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("import rates and names: %w", err)
	}
	return nil
}
