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
	p.Notes = slices.Clone(p.Notes)
	for i, n := range p.Notes {
		p.Notes[i] = cleanNote(n)
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

// importRest inserts what goes with watches: timelines and notes of those that were inserted just now, and deliveries
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
	var notes []store.Note
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
			notes = append(notes, p.Notes...)
		}
		for _, id := range p.Forgotten {
			owners, forgotten = append(owners, p.Watch.ID), append(forgotten, clean(id))
		}
	}
	if err := s.saveRest(ctx, tx, &rows, owners, forgotten); err != nil {
		return 0, err
	}
	return len(rows.deliveries.id), importNotes(ctx, tx, notes)
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

// importNotes inserts clean notes, with the versions that they had.
func importNotes(ctx context.Context, tx pgx.Tx, notes []store.Note) error {
	const query = `INSERT INTO flyte_notifier.notes (kind, key, watch_id, org, project, domain, name, due, version, body)
		SELECT i.* FROM ` + noteInput + ` WHERE NOT EXISTS (
			SELECT 1 FROM flyte_notifier.purged_watches p WHERE p.id = i.watch_id AND NOT p.unwatched)
		ORDER BY i.kind, i.key ON CONFLICT DO NOTHING`
	if len(notes) == 0 {
		return nil
	}
	var r noteRows
	r.written = make(map[noteKey]store.Note, len(notes))
	for _, n := range notes {
		r.written[noteKeyOf(n)] = n
	}
	_, err := tx.Exec(ctx, query, r.args()...)
	return err
}

// ImportNotes takes over notes that go with no watch. Those that are there stay as they are.
func (s *Store) ImportNotes(ctx context.Context, notes []store.Note) error {
	cleaned := make([]store.Note, 0, len(notes))
	for _, n := range notes {
		cleaned = append(cleaned, cleanNote(n))
	}
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, importNotes(ctx, tx, cleaned) })
	if err != nil {
		return fmt.Errorf("import notes: %w", err)
	}
	return nil
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
