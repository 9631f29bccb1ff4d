package postgres

import (
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// deliveryColumns are the columns of a delivery, in the order of scanDelivery.
const deliveryColumns = `d.id, d.key, d.watch_id, d.org, d.project, d.domain, d.name, d.rule, d.reason, d.kind,
	d.connection, d.address, d.state, d.attempts, d.next_at, d.opened_at, d.unknown_at, d.double,
	d.created_at, d.settled_at, d.since, d.spent, d.trace, d.last_error, d.render_error, d.receipt, d.destination, d.content,
	d.held_until, d.bundle, d.over`

// scanDelivery reads a row of deliveryColumns. With an engine.DamageError the delivery holds all the rest.
func scanDelivery(row pgx.Row) (d store.Delivery, err error) {
	var state string
	var next, created, since int64
	var opened, unknown, settled, held *int64
	var receipt, destination, content *string
	x := &d.Execution
	err = row.Scan(
		&d.ID, &d.Key, &d.WatchID, &x.Org, &x.Project, &x.Domain, &x.Name, &d.Rule, &d.Reason, &d.Kind,
		&d.Connection, &d.Address, &state, &d.Attempts, &next, &opened, &unknown, &d.Double,
		&created, &settled, &since, &d.Spent, &d.Trace, &d.LastError, &d.RenderError, &receipt, &destination, &content,
		&held, &d.Bundle, &d.Over,
	)
	if err != nil {
		return store.Delivery{}, err
	}
	d.State = store.DeliveryState(state)
	d.Destination, d.Content = raw(destination), raw(content)
	d.NextAt, d.CreatedAt, d.Since = time.UnixMicro(next).UTC(), time.UnixMicro(created).UTC(), time.UnixMicro(since).UTC()
	d.OpenedAt, d.UnknownAt, d.SettledAt, d.HeldUntil = moment(opened), moment(unknown), moment(settled), moment(held)
	return d, decode(receipt, &d.Receipt, d.ID, "receipt")
}

// cleanDelivery returns the delivery as it will be read back. Nothing in it is the caller's any more.
func cleanDelivery(d store.Delivery) store.Delivery {
	x := &d.Execution
	cleanAll(&d.ID, &d.Key, &d.WatchID, &x.Org, &x.Project, &x.Domain, &x.Name, &d.Rule, &d.Reason, &d.Kind,
		&d.Connection, &d.Address, &d.Trace, &d.LastError, &d.RenderError, &d.Bundle, &d.Over)
	d.State = store.DeliveryState(clean(string(d.State)))
	if d.State == "" {
		d.State = store.Pending
	}
	if d.Since.IsZero() {
		d.Since = d.CreatedAt
	}
	d.Receipt = cleanReceipt(d.Receipt)
	d.Destination, d.Content = raw(verbatim(d.Destination)), raw(verbatim(d.Content))
	return d
}

// cleanReceipt returns a copy. NULs stay: JSON escapes them.
func cleanReceipt(r notifier.Receipt) notifier.Receipt { return maps.Clone(r) }

// deliveryRows are deliveries as columns, see watchRows.
type deliveryRows struct {
	seq                                            []int64
	id, key, watch, org, project, domain, name     []string
	rule, reason, kind, connection, address, state []string
	head, double                                   []bool
	attempts, next, created, since, spent          []int64
	opened, unknown, settled, held                 []*int64
	trace, lastError, renderError                  []string
	receipt, destination, content                  []*string
	bundle, over                                   []string
}

// insertDeliveries inserts deliveryRows in the order of their ids, so that no two transactions that insert the
// same wait for each other.
const insertDeliveries = `INSERT INTO flyte_notifier.deliveries (seq, id, key, watch_id, org, project, domain, name, rule, reason, kind,
	connection, address, state, head, double, attempts, next_at, created_at, since, spent, opened_at, unknown_at, settled_at,
	trace, last_error, render_error, receipt, destination, content, held_until, bundle, over)
	SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
	$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::boolean[], $16::boolean[], $17::bigint[],
	$18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[],
	$25::text[], $26::text[], $27::text[], $28::text[], $29::text[], $30::text[], $31::bigint[], $32::text[], $33::text[]) AS i(seq, id)
	ORDER BY i.id ON CONFLICT (id) DO NOTHING`

func (r *deliveryRows) args() []any {
	return []any{
		r.seq, r.id, r.key, r.watch, r.org, r.project, r.domain, r.name, r.rule, r.reason, r.kind,
		r.connection, r.address, r.state, r.head, r.double, r.attempts, r.next, r.created, r.since, r.spent,
		r.opened, r.unknown, r.settled, r.trace, r.lastError, r.renderError, r.receipt, r.destination, r.content,
		r.held, r.bundle, r.over,
	}
}

// add appends a clean delivery.
func (r *deliveryRows) add(seq int64, d store.Delivery, head bool) error {
	receipt, err := encode(d.Receipt, len(d.Receipt))
	if err != nil {
		return fmt.Errorf("encode receipt of delivery %s: %w", d.ID, err)
	}
	x := d.Execution
	r.seq, r.id, r.key, r.watch = append(r.seq, seq), append(r.id, d.ID), append(r.key, d.Key), append(r.watch, d.WatchID)
	r.org, r.project, r.domain, r.name = append(r.org, x.Org), append(r.project, x.Project), append(r.domain, x.Domain), append(r.name, x.Name)
	r.rule, r.reason, r.kind = append(r.rule, d.Rule), append(r.reason, d.Reason), append(r.kind, d.Kind)
	r.connection, r.address, r.state = append(r.connection, d.Connection), append(r.address, d.Address), append(r.state, string(d.State))
	r.head, r.double = append(r.head, head), append(r.double, d.Double)
	r.attempts, r.spent = append(r.attempts, int64(d.Attempts)), append(r.spent, int64(d.Spent))
	r.next, r.created, r.since = append(r.next, d.NextAt.UnixMicro()), append(r.created, d.CreatedAt.UnixMicro()), append(r.since, d.Since.UnixMicro())
	r.opened, r.unknown, r.settled = append(r.opened, micros(d.OpenedAt)), append(r.unknown, micros(d.UnknownAt)), append(r.settled, micros(d.SettledAt))
	r.trace, r.lastError, r.renderError = append(r.trace, d.Trace), append(r.lastError, d.LastError), append(r.renderError, d.RenderError)
	r.receipt = append(r.receipt, receipt)
	r.destination, r.content = append(r.destination, verbatim(d.Destination)), append(r.content, verbatim(d.Content))
	r.held, r.bundle, r.over = append(r.held, micros(d.HeldUntil)), append(r.bundle, d.Bundle), append(r.over, d.Over)
	return nil
}
