package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// updateWatch takes watchArgs and writes all but the id and the time of creation.
const updateWatch = `UPDATE watches SET kind = ?2, attempt = ?3, state = ?4, org = ?5, project = ?6, domain = ?7,
	name = ?8, node = ?9, own_org = ?10, own_project = ?11, own_domain = ?12, own_name = ?13, wait = ?14, phase = ?15,
	version = ?16 + 1, missing = ?17, reason = ?18, ended_at = ?20, outputs = ?21, custom = ?22, inputs = ?23,
	trace = ?24, bucket = ?25, own_bucket = ?26
	WHERE id = ?1 AND version = ?16`

// row is one row to insert, as columns.
type row struct {
	id    string
	watch string
	args  []any
}

// Move is store.Feed's. An unknown watch is store.ErrNotFound.
func (s *Store) Move(ctx context.Context, t store.Transition) error {
	if err := s.move(ctx, t); err != nil {
		return fmt.Errorf("move watch %s: %w", t.Watch.ID, err)
	}
	return nil
}

func (s *Store) move(ctx context.Context, tr store.Transition) error {
	id := tr.Watch.ID
	watch, err := watchArgs(tr.Watch)
	if err != nil {
		return err
	}
	rows, err := deliveryRows(tr.Deliveries)
	if err != nil {
		return err
	}
	events := append([]store.Event(nil), tr.Events...)
	_, err = write(ctx, s, func(t *tx) (struct{}, error) {
		return struct{}{}, t.move(id, watch, rows, events)
	})
	return err
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

func (t *tx) move(id string, watch []any, deliveries []row, events []store.Event) error {
	t.touch(id)
	n, err := t.affect(updateWatch, watch...)
	if err != nil {
		return err
	}
	if n == 0 {
		return t.whyNot(id)
	}
	for _, d := range deliveries {
		if err := t.addDelivery(d.watch, d.id, d.args); err != nil {
			return fmt.Errorf("insert delivery %s: %w", d.id, err)
		}
	}
	for _, e := range events {
		if err := t.addEvent(id, e); err != nil {
			return fmt.Errorf("append event: %w", err)
		}
	}
	return nil
}

// whyNot tells a watch that moved on from one that is not there.
func (t *tx) whyNot(id string) error {
	_, err := t.watch(id)
	if _, damaged := errors.AsType[*damageError](err); err == nil || damaged {
		return store.ErrConflict
	}
	return err
}
