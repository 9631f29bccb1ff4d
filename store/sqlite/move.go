package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

const (
	// moveWatch takes moveArgs.
	moveWatch = `UPDATE watches SET state = ?3, phase = ?4, missing = ?5, reason = ?6, ended_at = ?7, version = version + 1
		WHERE id = ?1 AND version = ?2`

	// stayWatch is moveWatch for a watch that keeps its state. SQLite writes every index anew of which
	// an UPDATE names a column, changed or not: this names those of one.
	stayWatch = `UPDATE watches SET phase = ?4, missing = ?5, reason = ?6, version = version + 1
		WHERE id = ?1 AND version = ?2 AND state = ?3 AND ended_at IS ?7`
)

func moveArgs(w store.Watch) []any {
	return []any{w.ID, w.Version, string(w.State), w.Phase, micros(w.Missing), w.Reason, micros(w.EndedAt)}
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
	watch := moveArgs(tr.Watch)
	c, err := newChange(tr.Change)
	if err != nil {
		return err
	}
	events := append([]store.Event(nil), tr.Events...)
	_, err = write(ctx, s, func(t *tx) (struct{}, error) {
		return struct{}{}, t.move(id, watch, c, events)
	})
	return err
}

func (t *tx) move(id string, watch []any, c *change, events []store.Event) error {
	t.touch(id)
	m, err := t.meet(c)
	if errors.Is(err, store.ErrConflict) {
		if why := t.whyNot(id); !errors.Is(why, store.ErrConflict) {
			return why
		}
		return err
	}
	if err != nil {
		return err
	}
	n, err := t.affect(stayWatch, watch...)
	if n == 0 && err == nil {
		n, err = t.affect(moveWatch, watch...)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return t.whyNot(id)
	}
	return t.apply(c, m, id, events)
}

// whyNot tells a watch that moved on from one that is not there.
func (t *tx) whyNot(id string) error {
	_, err := t.watch(id)
	if err == nil || engine.Damaged(err) {
		return store.ErrConflict
	}
	return err
}
