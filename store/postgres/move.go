package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// movement is one call of Move or Write.
type movement struct {
	watch  store.Watch // clean, as is all else
	events []store.Event
	still  bool // no watch moves
	edits
}

// Move is store.Feed's. An unknown watch is store.ErrNotFound.
func (s *Store) Move(ctx context.Context, t store.Transition) error {
	e, err := s.newEdits(t.Change)
	if err == nil {
		err = s.moves.Do(ctx, &movement{watch: cleanWatch(t.Watch), events: slices.Clone(t.Events), edits: e})
	}
	if err != nil {
		return fmt.Errorf("move watch %s: %w", t.Watch.ID, err)
	}
	return nil
}

// Write is store.Notes's.
func (s *Store) Write(ctx context.Context, c store.Change) error {
	e, err := s.newEdits(c)
	if err == nil {
		err = s.moves.Do(ctx, &movement{still: true, edits: e})
	}
	if err != nil {
		return fmt.Errorf("write notes and deliveries: %w", err)
	}
	return nil
}

// ground is what a batch of moves finds, once it has the locks.
type ground struct {
	watches  map[string]*locked
	known    map[string]bool      // deliveries that are there or were purged
	gone     map[string]bool      // watches that were purged: no delivery of theirs is new
	waiting  map[turn]bool        // where something is pending
	seqs     []int64              // for new deliveries
	notes    map[noteKey]int64    // their versions
	affected map[string]*affected // deliveries that are superseded, released or remarked on
}

// locked is a watch whose lock is held.
type locked struct {
	id      string
	seq     int64
	version int64
}

func scanLocked(row pgx.Row) (l locked, err error) {
	err = row.Scan(&l.id, &l.seq, &l.version)
	return l, err
}

// turn is a watch's lane: its deliveries go one after the other.
type turn struct {
	watch, connection, address string
}

func turnOf(d store.Delivery) turn { return turn{d.WatchID, d.Connection, d.Address} }

func scanTurn(row pgx.Row) (t turn, err error) {
	err = row.Scan(&t.watch, &t.connection, &t.address)
	return t, err
}

// runMove locks all watches, decides which moves hold, and writes those.
func (s *Store) runMove(ctx context.Context, tx pgx.Tx, jobs []*job[*movement]) error {
	g, err := survey(ctx, tx, jobs)
	if err != nil {
		return err
	}
	var w moves
	for _, j := range jobs {
		if j.Err = g.refuses(j.In); j.Err == nil {
			if err := w.add(g, j.In); err != nil {
				return err
			}
		}
	}
	return w.save(ctx, s, tx)
}

// refuses says why a move does not hold, if it does not.
func (g *ground) refuses(m *movement) error {
	w := g.watches[m.watch.ID]
	switch {
	case m.still:
	case w == nil:
		return store.ErrNotFound
	case w.version != m.watch.Version:
		return store.ErrConflict
	}
	return g.refusesEdits(&m.edits)
}

// moves are the rows of the moves that hold.
type moves struct {
	watches    movedRows
	deliveries deliveryRows
	events     eventRows
	heads      []queued
	notes      noteRows
	outs       outRows
	remarks    remarkRows
}

// movedRows are what moves write of their watches, as columns.
type movedRows struct {
	id, state, phase, reason []string
	version                  []int64
	missing, ended           []*int64
}

// add appends a clean watch, with the version that it comes to have.
func (r *movedRows) add(w store.Watch, version int64) {
	r.id, r.state, r.phase = append(r.id, w.ID), append(r.state, string(w.State)), append(r.phase, w.Phase)
	r.reason, r.version = append(r.reason, w.Reason), append(r.version, version)
	r.missing, r.ended = append(r.missing, micros(w.Missing)), append(r.ended, micros(w.EndedAt))
}

func (w *moves) add(g *ground, m *movement) error {
	if !m.still {
		at := g.watches[m.watch.ID]
		at.version++
		w.watches.add(m.watch, at.version)
		for _, e := range m.events {
			w.events.add(at.seq, e)
		}
	}
	if err := w.deliver(g, m.deliveries); err != nil {
		return err
	}
	w.note(g, m.notes)
	w.out(g, &m.edits)
	return w.remark(g, m.remarks)
}

// deliver adds the deliveries that are new.
func (w *moves) deliver(g *ground, deliveries []store.Delivery) error {
	for _, d := range deliveries {
		if g.known[d.ID] || g.gone[d.WatchID] {
			continue
		}
		g.known[d.ID] = true
		head := d.State == store.Pending && !g.waiting[turnOf(d)]
		if head {
			g.waiting[turnOf(d)] = true
			w.heads = append(w.heads, queuedOf(d))
		}
		if err := w.deliveries.add(g.seqs[0], d, head); err != nil {
			return err
		}
		g.seqs = g.seqs[1:]
	}
	return nil
}

// save writes the rows. What may meet rows that another transaction inserts goes in one order: deliveries by id,
// then notes by kind and key.
func (w *moves) save(ctx context.Context, s *Store, tx pgx.Tx) error {
	const update = `UPDATE flyte_notifier.watches w
		SET state = i.state, phase = i.phase, reason = i.reason, version = i.version, missing = i.missing, ended_at = i.ended_at
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
		AS i(id, state, phase, reason, version, missing, ended_at) WHERE w.id = i.id`
	var p pipeline
	if r := w.watches; len(r.id) > 0 {
		p.exec(update, r.id, r.state, r.phase, r.reason, r.version, r.missing, r.ended)
	}
	if n := len(w.deliveries.id); n > 0 {
		p.batch.Queue(insertDeliveries, w.deliveries.args()...).Exec(inserted(n))
	}
	w.notes.save(&p)
	var promoted []queued
	w.outs.save(&p, &promoted)
	w.remarks.save(&p)
	w.events.insert(&p)
	if err := p.run(ctx, tx); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, append(w.heads, promoted...)) // a job of what is superseded finds that out
}

// inserted checks that all rows were inserted. One that was not came between: by a transition of another watch.
func inserted(n int) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != int64(n) {
			return fmt.Errorf("insert %d rows, %d of them new: %w", n, tag.RowsAffected(), errAgain)
		}
		return nil
	}
}
