package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// standing is what Begin and Settle must know of a delivery.
type standing struct {
	place
	state     store.DeliveryState
	attempts  int
	next      int64
	opened    sql.NullInt64
	unknown   sql.NullInt64
	lastError string
}

func (t *tx) standing(id string) (d standing, err error) {
	const query = `SELECT seq, watch_id, connection, address, state, attempts, next_at, opened_at, unknown_at, last_error
		FROM deliveries WHERE id = ?`
	err = t.row(query, []any{id}, &d.seq, &d.watch, &d.connection, &d.address,
		&d.state, &d.attempts, &d.next, &d.opened, &d.unknown, &d.lastError)
	return d, err
}

// Begin is store.Outbox's. An unknown delivery is store.ErrNotFound.
func (s *Store) Begin(ctx context.Context, id string, attempts int, now time.Time, rates []store.Rate) (time.Duration, error) {
	rates = append([]store.Rate(nil), rates...)
	wait, err := write(ctx, s, func(t *tx) (time.Duration, error) {
		d, err := t.standing(id)
		switch {
		case err != nil:
			return 0, err
		case d.state != store.Pending || d.attempts != attempts || d.opened.Valid:
			return 0, store.ErrConflict
		}
		if wait, err := t.held(d.place, now); err != nil || wait > 0 {
			return wait, err
		}
		if wait, err := t.take(rates, now); err != nil || wait > 0 {
			return wait, err
		}
		const open = "UPDATE deliveries SET attempts = attempts + 1, opened_at = ? WHERE seq = ?"
		return 0, t.exec(open, now.UnixMicro(), d.seq)
	})
	if err != nil {
		return 0, fmt.Errorf("begin delivery %s: %w", id, err)
	}
	return wait, nil
}

// Settle is store.Outbox's. A delivery that is settled already is store.ErrConflict; an unknown
// one store.ErrNotFound.
func (s *Store) Settle(ctx context.Context, id string, o store.Outcome) error {
	receipt, err := encode(o.Receipt, len(o.Receipt))
	if err == nil {
		o.Receipt = nil // the caller's
		_, err = write(ctx, s, func(t *tx) (struct{}, error) { return struct{}{}, t.settle(id, o, receipt) })
	}
	if err != nil {
		return fmt.Errorf("settle delivery %s: %w", id, err)
	}
	return nil
}

func (t *tx) settle(id string, o store.Outcome, receipt any) error {
	const update = `UPDATE deliveries SET state = ?2, next_at = ?3, opened_at = NULL, unknown_at = ?4,
		double = max(double, ?5), last_error = ?6, render_error = CASE ?7 WHEN '' THEN render_error ELSE ?7 END,
		receipt = coalesce(?8, receipt), settled_at = ?9, head = CASE ?2 WHEN 'pending' THEN head ELSE 0 END
		WHERE seq = ?1`
	d, err := t.standing(id)
	switch {
	case err != nil:
		return err
	case d.state != store.Pending || !d.fits(o):
		return store.ErrConflict
	case d.repeats(o):
		return nil
	}
	next, settled := d.next, micros(o.At)
	if o.State == store.Pending {
		next, settled = o.NextAt.UnixMicro(), nil
	}
	err = t.exec(update, d.seq, string(o.State), next, d.unknownAfter(o), o.Double,
		o.LastError, o.RenderError, receipt, settled)
	if err != nil {
		return err
	}
	if o.State != store.Pending {
		if err := t.leave(d.place); err != nil {
			return err
		}
	}
	if !o.Hold.IsZero() {
		if err := t.hold(d.place, o.Hold, o.At); err != nil {
			return err
		}
	}
	if o.Event.Kind == "" {
		return nil
	}
	return t.addEvent(d.watch, o.Event)
}

// fits says whether the outcome is of the latest attempt, or of none while none is open.
func (d standing) fits(o store.Outcome) bool {
	return o.Attempt == d.attempts || o.Attempt == 0 && !d.opened.Valid
}

// repeats says whether this outcome, of an attempt that is no longer open, was recorded before.
func (d standing) repeats(o store.Outcome) bool {
	return o.State == store.Pending && !d.opened.Valid && d.next == o.NextAt.UnixMicro() && d.lastError == o.LastError
}

// unknownAfter returns the start of the first attempt whose outcome is unknown, after this one.
func (d standing) unknownAfter(o store.Outcome) any {
	switch {
	case d.unknown.Valid:
		return d.unknown.Int64
	case !o.Unknown:
		return nil
	case d.opened.Valid:
		return d.opened.Int64
	}
	return micros(o.At)
}

// Recover is store.Outbox's.
func (s *Store) Recover(ctx context.Context, now time.Time) (int, error) {
	n, err := write(ctx, s, func(t *tx) (int, error) { return t.recoverOpen(now) })
	if err != nil {
		return 0, fmt.Errorf("recover open attempts: %w", err)
	}
	return n, nil
}

func (t *tx) recoverOpen(now time.Time) (int, error) {
	const find = "SELECT " + deliveryColumns + " FROM deliveries INDEXED BY deliveries_open WHERE opened_at IS NOT NULL"
	const update = `UPDATE deliveries SET unknown_at = coalesce(unknown_at, opened_at), opened_at = NULL, next_at = ?
		WHERE id = ?`
	open, err := list(t, scanDelivery, find)
	if err != nil {
		return 0, err
	}
	for _, d := range open {
		if err := t.exec(update, now.UnixMicro(), d.ID); err != nil {
			return 0, err
		}
		if err := t.addEvent(d.WatchID, store.UnknownEvent(d, now)); err != nil {
			return 0, err
		}
	}
	return len(open), nil
}
