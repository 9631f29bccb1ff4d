package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// settlement is one call of Settle.
type settlement struct {
	id      string
	outcome store.Outcome // clean
	receipt *string
}

// Settle is store.Outbox's. A delivery that is settled already is store.ErrConflict; an unknown one
// store.ErrNotFound.
func (s *Store) Settle(ctx context.Context, id string, o store.Outcome) error {
	receipt, err := encode(o.Receipt, len(o.Receipt))
	if err == nil {
		o.Receipt = nil // the caller's
		cleanAll(&o.LastError, &o.RenderError)
		o.NextAt, o.Hold, o.At = s.clock.theirs(o.NextAt), s.clock.theirs(o.Hold), s.clock.theirs(o.At)
		err = s.settles.Do(ctx, &settlement{id: clean(id), outcome: o, receipt: receipt})
	}
	if err != nil {
		return fmt.Errorf("settle delivery %s: %w", id, err)
	}
	return nil
}

// lockLanes locks deliveries, and with each the one that comes after it in its lane: that may become the head.
const lockLanes = "SELECT " + standingColumns + ` FROM flyte_notifier.deliveries d WHERE d.seq IN (
	SELECT o.seq FROM flyte_notifier.deliveries o WHERE o.id = ANY($1)
	UNION SELECT n.seq FROM flyte_notifier.deliveries o CROSS JOIN LATERAL (
		SELECT p.seq FROM flyte_notifier.deliveries p WHERE p.state = 'pending' AND p.watch_id = o.watch_id
			AND p.connection = o.connection AND p.address = o.address ORDER BY p.seq LIMIT 2) n WHERE o.id = ANY($1))
	ORDER BY d.id FOR NO KEY UPDATE`

// runSettle locks the watches and deliveries, and records the outcomes one after the other.
func (s *Store) runSettle(ctx context.Context, tx pgx.Tx, jobs []*job[*settlement]) error {
	ids := make([]string, 0, len(jobs))
	for _, j := range jobs {
		ids = append(ids, j.In.id)
	}
	var watches []locked
	var standings []standing
	var p pipeline
	lockOwners(&p, &watches, ownersOf, ids)
	into(&p, &standings, scanStanding, lockLanes, ids)
	if err := p.run(ctx, tx); err != nil {
		return err
	}
	r := record{
		watches: seqsOf(watches), standings: byID(standings),
		changes: map[int64]*change{}, holds: map[store.Lane]time.Time{}, left: map[turn]bool{},
	}
	for _, j := range jobs {
		j.Err = r.settle(j.In)
	}
	heads, err := r.save(ctx, tx)
	if err != nil {
		return err
	}
	return s.finish(ctx, tx, heads, r.settled)
}

// record is what a batch of outcomes changes.
type record struct {
	watches   map[string]int64
	standings map[string]*standing
	changes   map[int64]*change
	order     []int64 // of changes
	events    eventRows
	holds     map[store.Lane]time.Time
	latest    time.Time     // of the outcomes that hold
	left      map[turn]bool // lanes that something left
	settled   []string
}

// change is a delivery's row after its outcomes.
type change struct {
	*standing
	double      bool
	renderError string
	receipt     *string
	settled     *int64
}

func (r *record) settle(in *settlement) error {
	d, o := r.standings[in.id], in.outcome
	switch {
	case d == nil:
		return store.ErrNotFound
	case d.state != store.Pending || !d.fits(o):
		return store.ErrConflict
	case d.repeats(o):
		return nil
	}
	c := r.changes[d.seq]
	if c == nil {
		c = &change{standing: d}
		r.changes[d.seq], r.order = c, append(r.order, d.seq)
	}
	c.apply(o, in.receipt)
	if o.State != store.Pending {
		r.left[d.turn()] = true
		r.settled = append(r.settled, d.id)
	}
	r.hold(store.Lane{Connection: d.connection, Address: d.address}, o)
	if seq, ok := r.watches[d.watch]; ok && o.Event.Kind != "" { // the timeline of a purged watch went with it
		r.events.add(seq, o.Event)
	}
	return nil
}

func (r *record) hold(l store.Lane, o store.Outcome) {
	if o.Hold.IsZero() {
		return
	}
	if o.Hold.After(r.holds[l]) {
		r.holds[l] = o.Hold
	}
	if o.At.After(r.latest) {
		r.latest = o.At
	}
}

// fits says whether the outcome is of the latest attempt, or of none while none is open.
func (d *standing) fits(o store.Outcome) bool {
	return o.Attempt == d.attempts || o.Attempt == 0 && d.opened == nil
}

// repeats says whether this outcome, of an attempt that is no longer open, was recorded before.
func (d *standing) repeats(o store.Outcome) bool {
	return o.State == store.Pending && d.opened == nil && d.next == o.NextAt.UnixMicro() && d.lastError == o.LastError
}

func (c *change) apply(o store.Outcome, receipt *string) {
	c.unknown = c.unknownAfter(o)
	c.opened, c.state, c.lastError = nil, o.State, o.LastError
	c.double = c.double || o.Double
	if o.RenderError != "" {
		c.renderError = o.RenderError
	}
	if receipt != nil {
		c.receipt = receipt
	}
	if o.State == store.Pending {
		c.next = o.NextAt.UnixMicro()
	} else {
		c.settled = micros(o.At)
	}
}

// unknownAfter returns the start of the first attempt whose outcome is unknown, after this one.
func (d *standing) unknownAfter(o store.Outcome) *int64 {
	switch {
	case d.unknown != nil:
		return d.unknown
	case !o.Unknown:
		return nil
	case d.opened != nil:
		return d.opened
	}
	return micros(o.At)
}

// save writes the changes, and returns the deliveries that became the heads of their lanes.
func (r *record) save(ctx context.Context, tx pgx.Tx) (heads []queued, err error) {
	const update = `UPDATE flyte_notifier.deliveries d SET state = i.state, next_at = i.next, opened_at = NULL, unknown_at = i.unknown,
		double = d.double OR i.double, last_error = i.last_error,
		render_error = CASE i.render_error WHEN '' THEN d.render_error ELSE i.render_error END,
		receipt = coalesce(i.receipt, d.receipt), settled_at = i.settled, head = d.head AND i.state = 'pending'
		FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::text[], $8::text[], $9::bigint[])
		AS i(seq, state, next, unknown, double, last_error, render_error, receipt, settled) WHERE d.seq = i.seq`
	if len(r.order) == 0 {
		return nil, nil
	}
	var seqs, nexts []int64
	var states, lastErrors, renderErrors []string
	var doubles []bool
	var unknowns, settleds []*int64
	var receipts []*string
	for _, seq := range r.order {
		c := r.changes[seq]
		seqs, nexts, states = append(seqs, seq), append(nexts, c.next), append(states, clean(string(c.state)))
		lastErrors, renderErrors, doubles = append(lastErrors, c.lastError), append(renderErrors, c.renderError), append(doubles, c.double)
		unknowns, settleds, receipts = append(unknowns, c.unknown), append(settleds, c.settled), append(receipts, c.receipt)
	}
	var p pipeline
	p.exec(update, seqs, states, nexts, unknowns, doubles, lastErrors, renderErrors, receipts, settleds)
	if len(r.left) > 0 {
		var t turns
		for n := range r.left {
			t.add(n)
		}
		promote(&p, &t, &heads)
	}
	r.events.insert(&p)
	r.saveHolds(&p)
	return heads, p.run(ctx, tx)
}

// saveHolds records wishes of services; one that ends sooner shortens none but those that hold nothing.
func (r *record) saveHolds(p *pipeline) {
	const save = `INSERT INTO flyte_notifier.holds AS h (connection, address, until)
		SELECT connection, address, until FROM unnest($1::text[], $2::text[], $3::bigint[]) AS i(connection, address, until)
		ORDER BY connection, address
		ON CONFLICT (connection, address) DO UPDATE
		SET until = CASE WHEN h.until > $4 THEN excluded.until ELSE greatest(h.until, excluded.until) END`
	if len(r.holds) == 0 {
		return
	}
	var connections, addresses []string
	var untils []int64
	for lane, until := range r.holds {
		connections, addresses = append(connections, lane.Connection), append(addresses, lane.Address)
		untils = append(untils, until.UnixMicro())
	}
	p.exec(save, connections, addresses, untils, r.latest.Add(store.MaxHold).UnixMicro())
}

// Recover is store.Outbox's. It finds nothing: of an open attempt nobody can tell here whether its server is
// alive. Whoever is handed the delivery of one that died (see Queue) interrupts that attempt.
func (s *Store) Recover(ctx context.Context, _ time.Time) (int, error) { return 0, ctx.Err() }
