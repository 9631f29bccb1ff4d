package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// deliveryColumns are the columns of a delivery, in the order of deliveryArgs and scanDelivery.
const deliveryColumns = `id, key, watch_id, org, project, domain, name, rule, reason, kind,
	connection, address, state, attempts, next_at, opened_at, unknown_at, double,
	created_at, settled_at, last_error, render_error, receipt, destination, content, since, spent, trace,
	held_until, bundle, over`

// deliveryArgs returns a delivery as columns, see watchArgs, and its priority.
func deliveryArgs(d store.Delivery) ([]any, error) {
	receipt, err := encode(d.Receipt, len(d.Receipt))
	if err != nil {
		return nil, fmt.Errorf("encode receipt of delivery %s: %w", d.ID, err)
	}
	x, since := d.Execution, d.Since
	if since.IsZero() {
		since = d.CreatedAt
	}
	return []any{
		d.ID, d.Key, d.WatchID, x.Org, x.Project, x.Domain, x.Name, d.Rule, d.Reason, d.Kind,
		d.Connection, d.Address, string(d.State), d.Attempts, d.NextAt.UnixMicro(), micros(d.OpenedAt), micros(d.UnknownAt), d.Double,
		d.CreatedAt.UnixMicro(), micros(d.SettledAt), d.LastError, d.RenderError, receipt, verbatim(d.Destination), verbatim(d.Content),
		since.UnixMicro(), d.Spent, d.Trace, micros(d.HeldUntil), d.Bundle, d.Over,
		d.Reminder(),
	}, nil
}

// scanDelivery reads a row of deliveryColumns. With an engine.DamageError the delivery holds all the rest.
func scanDelivery(row scanner) (d store.Delivery, err error) {
	var next, created, since int64
	var opened, unknown, settled, held sql.NullInt64
	var receipt, destination, content []byte
	x := &d.Execution
	err = row.Scan(
		&d.ID, &d.Key, &d.WatchID, &x.Org, &x.Project, &x.Domain, &x.Name, &d.Rule, &d.Reason, &d.Kind,
		&d.Connection, &d.Address, &d.State, &d.Attempts, &next, &opened, &unknown, &d.Double,
		&created, &settled, &d.LastError, &d.RenderError, &receipt, &destination, &content,
		&since, &d.Spent, &d.Trace, &held, &d.Bundle, &d.Over,
	)
	if err != nil {
		return store.Delivery{}, err
	}
	d.Destination, d.Content = json.RawMessage(destination), json.RawMessage(content)
	d.NextAt, d.CreatedAt, d.Since = time.UnixMicro(next).UTC(), time.UnixMicro(created).UTC(), time.UnixMicro(since).UTC()
	d.OpenedAt, d.UnknownAt, d.SettledAt, d.HeldUntil = moment(opened), moment(unknown), moment(settled), moment(held)
	return d, decode(receipt, &d.Receipt, d.ID, "receipt")
}

// addDelivery inserts a delivery unless its id was ever there.
func (t *tx) addDelivery(watchID, id string, args []any) error {
	const purged = `SELECT EXISTS (SELECT 1 FROM purged_deliveries WHERE watch_id = ?1 AND id = ?2)
		OR EXISTS (SELECT 1 FROM purged_watches WHERE id = ?1) OR EXISTS (SELECT 1 FROM purged_unplaced WHERE id = ?2)`
	const insert = "INSERT INTO deliveries (" + deliveryColumns + `, priority, head)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
			?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32,
			?13 = 'pending' AND NOT EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_order
				WHERE state = 'pending' AND watch_id = ?3 AND connection = ?11 AND address = ?12))
		ON CONFLICT (id) DO NOTHING`
	var gone bool
	if err := t.row(purged, []any{watchID, id}, &gone); err != nil || gone {
		return err
	}
	return t.exec(insert, args...)
}

// place is where a delivery stands in the order of its watch and lane.
type place struct {
	seq        int64
	watch      string
	connection string
	address    string
}

// leave makes the next in order the head, once the delivery at p has left Pending.
func (t *tx) leave(p place) error {
	const promote = `UPDATE deliveries SET head = 1 WHERE seq = (
		SELECT seq FROM deliveries INDEXED BY deliveries_order
		WHERE state = 'pending' AND watch_id = ? AND connection = ? AND address = ? ORDER BY seq LIMIT 1) AND head = 0`
	return t.exec(promote, p.watch, p.connection, p.address)
}

// rejoin finds who is the head, once the delivery at p is Pending again.
func (t *tx) rejoin(p place) error {
	const demote = `UPDATE deliveries SET head = 0 WHERE seq IN (
		SELECT seq FROM deliveries INDEXED BY deliveries_order
		WHERE state = 'pending' AND watch_id = ? AND connection = ? AND address = ? ORDER BY seq LIMIT 2) AND head = 1`
	if err := t.exec(demote, p.watch, p.connection, p.address); err != nil {
		return err
	}
	return t.leave(p)
}
