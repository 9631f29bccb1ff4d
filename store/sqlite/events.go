package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// addEvent appends to a watch's timeline; that of a purged watch went with it.
func (t *tx) addEvent(watchID string, e store.Event) error {
	const insert = `INSERT INTO events (watch, seq, at, kind, text)
		SELECT w.seq, (SELECT coalesce(max(e.seq), 0) + 1 FROM events e WHERE e.watch = w.seq), ?, ?, ?
		FROM watches w WHERE w.id = ?`
	return t.exec(insert, e.At.UnixMicro(), e.Kind, e.Text, watchID)
}

// Events is store.Registry's.
func (s *Store) Events(ctx context.Context, watchID string, after int64, limit int) ([]store.Event, error) {
	const query = `SELECT seq, at, kind, text FROM events
		WHERE watch = (SELECT w.seq FROM watches w WHERE w.id = ?) AND seq > ? ORDER BY seq LIMIT ?`
	all, err := read(ctx, s.queries, scanEvent, query, watchID, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read events of watch %s: %w", watchID, err)
	}
	return all, nil
}

func scanEvent(row scanner) (e store.Event, err error) {
	var at int64
	err = row.Scan(&e.Seq, &at, &e.Kind, &e.Text)
	e.At = time.UnixMicro(at).UTC()
	return e, err
}
