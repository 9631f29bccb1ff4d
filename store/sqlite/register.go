package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

var errNoID = errors.New("the id is empty")

const (
	selectWatch = "SELECT " + watchColumns + " FROM watches WHERE id = ?"
	// insertWatch inserts what was never there.
	insertWatch = "INSERT INTO watches (" + watchColumns + `, bucket, own_bucket)
		SELECT ?1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
		WHERE NOT EXISTS (SELECT 1 FROM purged_watches WHERE id = ?1) ON CONFLICT (id) DO NOTHING`
	// insertFirst is the first event of the watch that was just inserted.
	insertFirst = "INSERT INTO events (watch, seq, at, kind, text) VALUES (last_insert_rowid(), 1, ?, ?, ?)"
	purgedWatch = "SELECT EXISTS (SELECT 1 FROM purged_watches WHERE id = ?)"
)

// Register is store.Registry's. A new watch has Version 1, and is Active unless it says otherwise.
func (s *Store) Register(ctx context.Context, w store.Watch) (store.Watch, error) {
	if w.ID == "" {
		return store.Watch{}, fmt.Errorf("register watch: %w", errNoID)
	}
	if w.State == "" {
		w.State = store.Active
	}
	w.Version = 1
	args, err := watchArgs(w)
	if err != nil {
		return store.Watch{}, fmt.Errorf("register watch %s: %w", w.ID, err)
	}
	fresh, event := asRead(w), store.Registered(w)
	stored, err := write(ctx, s, func(t *tx) (store.Watch, error) { return t.register(fresh, args, event) })
	if err != nil {
		return store.Watch{}, fmt.Errorf("register watch %s: %w", w.ID, err)
	}
	return stored, nil
}

// register stores a watch that was never there, or sees to the one that is.
func (t *tx) register(w store.Watch, args []any, event store.Event) (store.Watch, error) {
	t.touch(w.ID)
	n, err := t.affect(insertWatch, args...)
	switch {
	case err != nil:
		return w, err
	case n == 1:
		return w, t.exec(insertFirst, event.At.UnixMicro(), event.Kind, event.Text)
	}
	stored, err := t.watch(w.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Watch{ID: w.ID, State: store.Ended}, nil // it was purged
	case err != nil || w.Attempt <= stored.Attempt:
		return stored, err
	}
	return t.reregister(stored, w.Attempt, event)
}

// reregister records a later attempt. What ended because the earlier attempt was aborted, or
// because its execution was not to be found, begins anew.
func (t *tx) reregister(w store.Watch, attempt uint32, event store.Event) (store.Watch, error) {
	const raise = "UPDATE watches SET attempt = ?, version = version + 1 WHERE id = ?"
	const reopen = `UPDATE watches SET attempt = ?, version = version + 1, state = 'active',
		ended_at = NULL, reason = '', missing = NULL, phase = '' WHERE id = ?`
	query := raise
	if w.State == store.Cancelled || w.State == store.Lost {
		query = reopen
	}
	t.touch(w.ID)
	if err := t.exec(query, attempt, w.ID); err != nil {
		return store.Watch{}, err
	}
	if err := t.addEvent(w.ID, event); err != nil {
		return store.Watch{}, err
	}
	return t.watch(w.ID)
}

// watch reads one watch in the transaction.
func (t *tx) watch(id string) (store.Watch, error) {
	stmt, err := t.prepare(selectWatch)
	if err != nil {
		return store.Watch{}, err
	}
	w, err := scanWatch(stmt.QueryRowContext(context.Background(), id))
	return w, notFound(err)
}

// Watch is store.Registry's.
func (s *Store) Watch(ctx context.Context, id string) (store.Watch, error) {
	w, epoch, ok := s.recent.get(id)
	if ok {
		return w, nil
	}
	stmt, err := s.queries.prepare(ctx, selectWatch)
	if err == nil {
		if w, err = scanWatch(stmt.QueryRowContext(ctx, id)); err == nil {
			s.recent.put(w, epoch)
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		w, err = s.purged(ctx, id)
	}
	if err != nil {
		return store.Watch{}, fmt.Errorf("read watch %s: %w", id, err)
	}
	return w, nil
}

// purged is what is left of a purged watch: that it ended.
func (s *Store) purged(ctx context.Context, id string) (store.Watch, error) {
	var gone bool
	err := s.queries.row(ctx, purgedWatch, []any{id}, &gone)
	if err == nil && !gone {
		err = store.ErrNotFound
	}
	return store.Watch{ID: id, State: store.Ended}, err
}

// Cancel is store.Registry's.
func (s *Store) Cancel(ctx context.Context, id string, attempt uint32, reason string, now time.Time) error {
	const cancel = `UPDATE watches SET state = 'cancelled', reason = ?, ended_at = ?, version = version + 1
		WHERE id = ? AND state = 'active' AND attempt <= ?`
	_, err := write(ctx, s, func(t *tx) (struct{}, error) {
		t.touch(id)
		n, err := t.affect(cancel, reason, now.UnixMicro(), id, attempt)
		if err != nil || n == 0 {
			return struct{}{}, err
		}
		return struct{}{}, t.addEvent(id, store.CancelledEvent(reason, now))
	})
	if err != nil {
		return fmt.Errorf("cancel watch %s: %w", id, err)
	}
	return nil
}

// WatchDeliveries is store.Registry's.
func (s *Store) WatchDeliveries(ctx context.Context, watchID string) ([]store.Delivery, error) {
	const query = "SELECT " + deliveryColumns + " FROM deliveries INDEXED BY deliveries_watch WHERE watch_id = ? ORDER BY seq"
	all, err := read(ctx, s.queries, scanDelivery, query, watchID)
	if err != nil {
		return nil, fmt.Errorf("read deliveries of watch %s: %w", watchID, err)
	}
	return all, nil
}
