package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// What SQLite's user_version says of a store: 0 is one like any other.
const (
	movingAway = 1 // `migrate` has begun to copy it
	movedAway  = 2 // and has ended
)

// OpenToMove opens the file of a store that is to be copied elsewhere, keeps servers out as OpenServer
// does, and marks it: from now on no server opens it, since its deliveries may be sent from there.
func OpenToMove(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open store: %w", err) // Open would make a new one
	}
	s, err := open(ctx, path, true)
	if err != nil {
		return nil, err
	}
	if err := s.mark(ctx, movingAway); err != nil {
		return nil, errors.Join(fmt.Errorf("mark store %s: %w", path, err), s.Close())
	}
	return s, nil
}

// Moved tells that all was copied.
func (s *Store) Moved(ctx context.Context) error {
	if err := s.mark(ctx, movedAway); err != nil {
		return fmt.Errorf("mark store: %w", err)
	}
	return nil
}

func (s *Store) mark(ctx context.Context, n int) error {
	_, err := write(ctx, s, func(t *tx) (struct{}, error) { return struct{}{}, t.exec(fmt.Sprintf("PRAGMA user_version = %d", n)) })
	return err
}

// here says why a server must not open the file, if it was copied elsewhere.
func (s *Store) here(ctx context.Context, path string) error {
	var mark int
	if err := s.queries.row(ctx, "PRAGMA user_version", nil, &mark); err != nil {
		return fmt.Errorf("open store %s: %w", path, err)
	}
	switch mark {
	case 0:
		return nil
	case movingAway:
		return fmt.Errorf("store %s is being moved to Postgres, and its messages may be sent from there: run `flyte-notifier migrate` to its end", path)
	}
	return fmt.Errorf("store %s was moved to Postgres by `flyte-notifier migrate`: serve it from there", path)
}

// ExportWatches returns at most limit watches in the order of their creation, after the place, with all that
// goes with them; and the place to go on from. There are no more when none is returned.
func (s *Store) ExportWatches(ctx context.Context, after int64, limit int) ([]store.Parcel, int64, error) {
	page, err := readPage(ctx, s, table[store.Watch]{"watches", watchColumns, scanWatch, "ended_at"}, store.Filter{}, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read watches: %w", err)
	}
	if len(page) == 0 {
		return nil, after, nil
	}
	last := page[len(page)-1].Seq
	parcels, err := s.parcels(ctx, page, after, last)
	if err != nil {
		return nil, after, fmt.Errorf("read what goes with watches: %w", err)
	}
	return parcels, last, nil
}

// parcels reads what goes with a page of watches, those after one place up to another.
func (s *Store) parcels(ctx context.Context, page []engine.Placed[store.Watch], after, last int64) ([]store.Parcel, error) {
	const ofPage = " IN (SELECT w.id FROM watches w WHERE w.seq > ? AND w.seq <= ?)"
	parcels := make([]store.Parcel, len(page))
	bySeq, byID := map[int64]*store.Parcel{}, map[string]*store.Parcel{}
	for i, w := range page {
		parcels[i].Watch = w.Row
		bySeq[w.Seq], byID[w.Row.ID] = &parcels[i], &parcels[i]
	}
	events, err := read(ctx, s.queries, scanPlacedEvent,
		"SELECT watch, seq, at, kind, text FROM events WHERE watch > ? AND watch <= ? ORDER BY watch, seq", after, last)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if p := bySeq[e.Seq]; p != nil {
			p.Events = append(p.Events, e.Row)
		}
	}
	deliveries, err := read(ctx, s.queries, scanDelivery, "SELECT "+deliveryColumns+" FROM deliveries WHERE watch_id"+ofPage+" ORDER BY seq", after, last)
	if err != nil {
		return nil, err
	}
	for _, d := range deliveries {
		byID[d.WatchID].Deliveries = append(byID[d.WatchID].Deliveries, d)
	}
	forgotten, err := read(ctx, s.queries, scanForgotten, "SELECT watch_id, id FROM purged_deliveries WHERE watch_id"+ofPage, after, last)
	for _, f := range forgotten {
		byID[f.watch].Forgotten = append(byID[f.watch].Forgotten, f.id)
	}
	if err != nil {
		return nil, err
	}
	notes, err := read(ctx, s.queries, scanNote, "SELECT "+noteColumns+" FROM notes WHERE watch_id <> '' AND watch_id"+ofPage, after, last)
	for _, n := range notes {
		byID[n.WatchID].Notes = append(byID[n.WatchID].Notes, n)
	}
	return parcels, err
}

// scanPlacedEvent reads an event with the seq of its watch.
func scanPlacedEvent(row scanner) (p engine.Placed[store.Event], err error) {
	p.Row, err = scanEvent(scanFunc(func(dest ...any) error { return row.Scan(append([]any{&p.Seq}, dest...)...) }))
	return p, err
}

// forgotten is the id of a purged delivery.
type forgotten struct{ watch, id string }

func scanForgotten(row scanner) (f forgotten, err error) {
	err = row.Scan(&f.watch, &f.id)
	return f, err
}

// ExportOrphans does the same for deliveries whose watch was purged: each is a parcel of its own.
func (s *Store) ExportOrphans(ctx context.Context, after int64, limit int) ([]store.Parcel, int64, error) {
	const query = "SELECT seq, " + deliveryColumns + ` FROM deliveries d WHERE seq > ?
		AND NOT EXISTS (SELECT 1 FROM watches w WHERE w.id = d.watch_id) ORDER BY seq LIMIT ?`
	page, err := read(ctx, s.queries, table[store.Delivery]{scan: scanDelivery}.scanPlaced, query, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read deliveries without watch: %w", err)
	}
	parcels := make([]store.Parcel, 0, len(page))
	for _, p := range page {
		parcels = append(parcels, store.Parcel{Watch: store.Watch{ID: p.Row.WatchID}, Purged: true, Deliveries: []store.Delivery{p.Row}})
		after = p.Seq
	}
	return parcels, after, nil
}

// ExportNotes returns at most limit notes that go with no watch that is there, in the order of their creation after the
// place, and the place to go on from. There are no more when none is returned.
func (s *Store) ExportNotes(ctx context.Context, after int64, limit int) ([]store.Note, int64, error) {
	const query = "SELECT seq, " + noteColumns + ` FROM notes n WHERE seq > ?
		AND NOT EXISTS (SELECT 1 FROM watches w WHERE w.id = n.watch_id) ORDER BY seq LIMIT ?`
	page, err := read(ctx, s.queries, table[store.Note]{scan: scanNote}.scanPlaced, query, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read notes without watch: %w", err)
	}
	notes := make([]store.Note, 0, len(page))
	for _, p := range page {
		notes, after = append(notes, p.Row), p.Seq
	}
	return notes, after, nil
}

// ExportPurged returns at most limit ids of purged watches, after the given one.
func (s *Store) ExportPurged(ctx context.Context, after string, limit int) ([]string, error) {
	ids, err := read(ctx, s.queries, scanText, "SELECT id FROM purged_watches WHERE id > ? ORDER BY id LIMIT ?", after, limit)
	if err != nil {
		return nil, fmt.Errorf("read ids of purged watches: %w", err)
	}
	return ids, nil
}

// ExportSundries returns what belongs to no watch.
func (s *Store) ExportSundries(ctx context.Context) (all store.Sundries, err error) {
	if all.Buckets, err = read(ctx, s.queries, scanBucket, "SELECT name, tat FROM buckets"); err != nil {
		return all, fmt.Errorf("read buckets: %w", err)
	}
	if all.Holds, err = read(ctx, s.queries, scanHold, "SELECT connection, address, until FROM holds"); err != nil {
		return all, fmt.Errorf("read holds: %w", err)
	}
	if all.Resolved, err = read(ctx, s.queries, scanResolution, "SELECT connection, address, value FROM resolved"); err != nil {
		return all, fmt.Errorf("read resolved names: %w", err)
	}
	return all, nil
}

func scanBucket(row scanner) (b store.Bucket, err error) {
	err = row.Scan(&b.Name, &b.FullAt)
	return b, err
}

func scanHold(row scanner) (h store.LaneHold, err error) {
	err = row.Scan(&h.Lane.Connection, &h.Lane.Address, &h.Until)
	return h, err
}

func scanResolution(row scanner) (r store.Resolution, err error) {
	err = row.Scan(&r.Lane.Connection, &r.Lane.Address, &r.Value)
	return r, err
}
