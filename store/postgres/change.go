package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// edits are a store.Change on its way into the store, clean and by Postgres' clock.
type edits struct {
	at         time.Time
	deliveries []store.Delivery
	notes      []store.Note
	superseded []string
	why        string // they are
	released   []store.Release
	remarks    []store.Remark
}

func (s *Store) newEdits(c store.Change) (own edits, err error) {
	own.at, own.why = s.clock.theirs(c.At), clean(c.Why)
	for _, d := range c.Deliveries {
		if d.ID == "" {
			return own, fmt.Errorf("insert delivery: %w", errNoID)
		}
		d = cleanDelivery(d)
		d.NextAt = s.clock.theirs(d.NextAt)
		own.deliveries = append(own.deliveries, d)
	}
	for _, n := range c.Notes {
		own.notes = append(own.notes, cleanNote(n))
	}
	for _, id := range c.Superseded {
		own.superseded = append(own.superseded, clean(id))
	}
	for _, r := range c.Released {
		own.released = append(own.released, store.Release{ID: clean(r.ID), Content: slices.Clone(r.Content)})
	}
	own.remarks = cleanRemarks(c.Remarks)
	return own, store.Change{Notes: own.notes, Released: own.released, Remarks: own.remarks}.Check()
}

// affected is a delivery that a change supersedes or releases, or that comes after one in its lane.
type affected struct {
	standing
	kind    string
	bundled bool // it was held once
	over    bool // it is known already that it is
	receipt *string
}

func scanAffected(row pgx.Row) (d affected, err error) {
	d.standing, err = scanStanding(prefixed{prefixed{prefixed{prefixed{row, &d.kind}, &d.bundled}, &d.over}, &d.receipt})
	return d, err
}

// lockAffected locks deliveries, and with each those that may become the head of its lane, or have to give that
// up for it.
const lockAffected = "SELECT d.kind, d.bundle <> '', d.over <> '', d.receipt, " + standingColumns + ` FROM flyte_notifier.deliveries d WHERE d.seq IN (
	SELECT o.seq FROM flyte_notifier.deliveries o WHERE o.id = ANY($1)
	UNION SELECT n.seq FROM flyte_notifier.deliveries o CROSS JOIN LATERAL (
		SELECT p.seq FROM flyte_notifier.deliveries p WHERE p.state = 'pending' AND p.watch_id = o.watch_id
			AND p.connection = o.connection AND p.address = o.address ORDER BY p.seq LIMIT $2) n WHERE o.id = ANY($1))
	ORDER BY d.id FOR NO KEY UPDATE`

// refusesEdits says why a change does not hold, if it does not.
func (g *ground) refusesEdits(c *edits) error {
	for _, n := range c.notes {
		if g.notes[noteKeyOf(n)] != n.Version {
			return fmt.Errorf("write note %s %s: %w", n.Kind, n.Key, store.ErrConflict)
		}
	}
	for _, r := range c.released {
		if d := g.affected[r.ID]; d == nil || d.state != store.Held {
			return fmt.Errorf("release delivery %s: %w", r.ID, store.ErrConflict)
		}
	}
	return nil
}

// outRows are the deliveries that changes release and supersede, as columns, and their lanes.
type outRows struct {
	released                 []string
	releasedAt               []int64
	content                  []*string
	superseded, why          []string
	supersededAt             []*int64
	open, openWhy            []string // to be superseded as well, but with an open attempt
	releasedLanes, leftLanes turns
}

// out releases and supersedes deliveries. What a change inserts itself is none of them.
func (w *moves) out(g *ground, c *edits) {
	here := make(map[string]bool, len(c.released)) // that this very change releases
	for _, r := range c.released {
		d := g.affected[r.ID]
		d.state, here[r.ID] = store.Pending, true
		g.waiting[d.turn()] = true
		o := &w.outs
		o.released, o.releasedAt = append(o.released, d.id), append(o.releasedAt, c.at.UnixMicro())
		o.content = append(o.content, verbatim(r.Content))
		o.releasedLanes.add(d.turn())
		w.tell(g, d, store.ReleasedEvent(d.kind, d.address, c.at))
	}
	for _, id := range c.superseded {
		d := g.affected[id]
		o := &w.outs
		switch {
		case d == nil || d.state != store.Held && (d.state != store.Pending || d.bundled && !here[id]):
			continue
		case d.state == store.Pending && d.opened != nil:
			o.remember(d, c.why)
			continue
		}
		d.state = store.Superseded
		o.superseded, o.supersededAt = append(o.superseded, d.id), append(o.supersededAt, micros(c.at))
		o.why = append(o.why, c.why)
		o.leftLanes.add(d.turn())
		w.tell(g, d, store.SupersededEvent(d.kind, d.address, c.why, c.at))
	}
}

// remember notes of a delivery with an open attempt that it is over, and why, unless that is known.
func (o *outRows) remember(d *affected, why string) {
	if !d.over {
		d.over = true
		o.open, o.openWhy = append(o.open, d.id), append(o.openWhy, cmp.Or(why, store.ItNoLongerHolds))
	}
}

// tell appends to the timeline of a delivery's watch; that of a purged watch went with it.
func (w *moves) tell(g *ground, d *affected, e store.Event) {
	if at := g.watches[d.watch]; at != nil {
		w.events.add(at.seq, e)
	}
}

// save puts the statements in the pipeline, if there are any; promoted are those that became heads.
func (o *outRows) save(p *pipeline, promoted *[]queued) {
	const release = `UPDATE flyte_notifier.deliveries d SET state = 'pending', next_at = i.at, since = i.at, spent = d.attempts,
		content = coalesce(i.content, d.content), head = false
		FROM unnest($1::text[], $2::bigint[], $3::text[]) AS i(id, at, content) WHERE d.id = i.id`
	const supersede = `UPDATE flyte_notifier.deliveries d SET state = 'superseded', settled_at = i.at, head = false,
		last_error = coalesce(nullif(i.why, ''), d.last_error) FROM unnest($1::text[], $2::bigint[], $3::text[]) AS i(id, at, why) WHERE d.id = i.id`
	const remember = `UPDATE flyte_notifier.deliveries d SET over = i.why
		FROM unnest($1::text[], $2::text[]) AS i(id, why) WHERE d.id = i.id`
	lanes := o.leftLanes
	if len(o.released) > 0 {
		p.exec(release, o.released, o.releasedAt, o.content)
	}
	if len(o.superseded) > 0 {
		p.exec(supersede, o.superseded, o.supersededAt, o.why)
	}
	if len(o.open) > 0 {
		p.exec(remember, o.open, o.openWhy)
	}
	if r := o.releasedLanes; len(o.released) > 0 {
		p.exec(demote, r.watch, r.connection, r.address)
		lanes.watch, lanes.connection, lanes.address = append(lanes.watch, r.watch...), append(lanes.connection, r.connection...), append(lanes.address, r.address...)
	}
	if len(lanes.watch) > 0 {
		promote(p, &lanes, promoted)
	}
}
