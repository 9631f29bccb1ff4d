package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// change is a store.Change on its way into the store. Nothing in it is the caller's.
type change struct {
	at         time.Time
	deliveries []row
	notes      []store.Note
	superseded []string
	why        string
	released   []store.Release
	remarks    []store.Remark
}

// row is one row to insert, as columns.
type row struct {
	id    string
	watch string
	args  []any
}

func newChange(c store.Change) (*change, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	rows, err := deliveryRows(c.Deliveries)
	if err != nil {
		return nil, err
	}
	own := &change{
		at: c.At, deliveries: rows, notes: slices.Clone(c.Notes),
		superseded: slices.Clone(c.Superseded), why: c.Why, released: slices.Clone(c.Released), remarks: ownRemarks(c.Remarks),
	}
	for i := range own.notes {
		own.notes[i].Body = slices.Clone(own.notes[i].Body)
	}
	for i := range own.released {
		own.released[i].Content = slices.Clone(own.released[i].Content)
	}
	return own, nil
}

func deliveryRows(deliveries []store.Delivery) ([]row, error) {
	rows := make([]row, 0, len(deliveries))
	for _, d := range deliveries {
		if d.ID == "" {
			return nil, fmt.Errorf("insert delivery: %w", errNoID)
		}
		if d.State == "" {
			d.State = store.Pending
		}
		args, err := deliveryArgs(d)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{id: d.ID, watch: d.WatchID, args: args})
	}
	return rows, nil
}

// Write is store.Notes's.
func (s *Store) Write(ctx context.Context, c store.Change) error {
	own, err := newChange(c)
	if err == nil {
		_, err = write(ctx, s, func(t *tx) (struct{}, error) {
			m, err := t.meet(own)
			if err == nil {
				err = t.apply(own, m, "", nil)
			}
			return struct{}{}, err
		})
	}
	if err != nil {
		return fmt.Errorf("write notes and deliveries: %w", err)
	}
	return nil
}

// met is what a change meets, found before anything is changed: one that is refused then takes no other of
// its batch with it.
type met struct {
	notes      []storedNote
	released   []affected
	superseded []affected
	open       []affected // what is to be superseded as well, but has an open attempt
	remarked   []remarked
}

// affected is what a change must know of a delivery that it supersedes or releases.
type affected struct {
	place
	kind string
	open bool // it is Pending, with an open attempt
}

// meet reads what a change meets. Where that is not what was read for it, it returns store.ErrConflict.
func (t *tx) meet(c *change) (m met, err error) {
	for _, n := range c.notes {
		stored, err := t.storedNote(n.Kind, n.Key)
		if err != nil {
			return m, fmt.Errorf("read note %s %s: %w", n.Kind, n.Key, err)
		}
		if stored.version != n.Version {
			return m, fmt.Errorf("write note %s %s: %w", n.Kind, n.Key, store.ErrConflict)
		}
		m.notes = append(m.notes, stored)
	}
	for _, r := range c.released {
		d, ok, err := t.affected(r.ID, "state = 'held'")
		if err == nil && !ok {
			err = store.ErrConflict
		}
		if err != nil {
			return m, fmt.Errorf("release delivery %s: %w", r.ID, err)
		}
		m.released = append(m.released, d)
	}
	for _, id := range c.superseded {
		d, ok, err := t.affected(id, "(state = 'held' OR state = 'pending' AND bundle = '')")
		switch {
		case err != nil:
			return m, fmt.Errorf("supersede delivery %s: %w", id, err)
		case !ok:
		case d.open:
			m.open = append(m.open, d)
		default:
			m.superseded = append(m.superseded, d)
		}
	}
	m.remarked, err = t.remarked(c.remarks)
	return m, err
}

// affected finds a delivery, if it is as wanted.
func (t *tx) affected(id, wanted string) (d affected, ok bool, err error) {
	query := "SELECT seq, watch_id, connection, address, kind, state = 'pending' AND opened_at IS NOT NULL FROM deliveries WHERE id = ? AND " + wanted
	err = t.row(query, []any{id}, &d.seq, &d.watch, &d.connection, &d.address, &d.kind, &d.open)
	if errors.Is(err, store.ErrNotFound) {
		return d, false, nil
	}
	return d, err == nil, err
}

// apply writes a change for which all is as it was read. The events are those of the watch that moves with
// it, if one does.
func (t *tx) apply(c *change, m met, moved string, events []store.Event) error {
	for _, d := range c.deliveries {
		if err := t.addDelivery(d.watch, d.id, d.args); err != nil {
			return fmt.Errorf("insert delivery %s: %w", d.id, err)
		}
	}
	for i, n := range c.notes {
		if err := t.writeNote(n, m.notes[i], moved); err != nil {
			return fmt.Errorf("write note %s %s: %w", n.Kind, n.Key, err)
		}
	}
	for _, e := range events {
		if err := t.addEvent(moved, e); err != nil {
			return fmt.Errorf("append event: %w", err)
		}
	}
	for i, r := range c.released {
		if err := t.release(m.released[i], r, c.at); err != nil {
			return fmt.Errorf("release delivery %s: %w", r.ID, err)
		}
	}
	for _, d := range m.superseded {
		if err := t.supersede(d, c.why, c.at); err != nil {
			return fmt.Errorf("supersede delivery: %w", err)
		}
	}
	for _, d := range m.open {
		const remember = "UPDATE deliveries SET over = ?1 WHERE seq = ?2 AND over = ''"
		if err := t.exec(remember, cmp.Or(c.why, store.ItNoLongerHolds), d.seq); err != nil {
			return fmt.Errorf("remember that a delivery is over: %w", err)
		}
	}
	return t.remark(m.remarked)
}

func (t *tx) release(d affected, r store.Release, now time.Time) error {
	const release = `UPDATE deliveries SET state = 'pending', next_at = ?2, since = ?2, spent = attempts, content = coalesce(?3, content)
		WHERE seq = ?1`
	if err := t.exec(release, d.seq, now.UnixMicro(), verbatim(r.Content)); err != nil {
		return err
	}
	if err := t.rejoin(d.place); err != nil {
		return err
	}
	return t.addEvent(d.watch, store.ReleasedEvent(d.kind, d.address, now))
}

// supersede settles a delivery, unless it was named twice.
func (t *tx) supersede(d affected, why string, now time.Time) error {
	const settle = `UPDATE deliveries SET state = 'superseded', settled_at = ?1, head = 0, last_error = coalesce(nullif(?2, ''), last_error)
		WHERE seq = ?3 AND state <> 'superseded'`
	n, err := t.affect(settle, micros(now), why, d.seq)
	if err != nil || n == 0 {
		return err
	}
	if err := t.leave(d.place); err != nil {
		return err
	}
	return t.addEvent(d.watch, store.SupersededEvent(d.kind, d.address, why, now))
}
