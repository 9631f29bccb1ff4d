package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// eventRows are events as columns, see watchRows. watch is the seq of the watch.
type eventRows struct {
	watch, at  []int64
	kind, text []string
}

// insertEvents appends eventRows in their order.
const insertEvents = `INSERT INTO flyte_notifier.events (watch, at, kind, text)
	SELECT i.watch, i.at, i.kind, i.text
	FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY AS i(watch, at, kind, text, n) ORDER BY i.n`

func (r *eventRows) add(watch int64, e store.Event) {
	r.watch, r.at = append(r.watch, watch), append(r.at, e.At.UnixMicro())
	r.kind, r.text = append(r.kind, clean(e.Kind)), append(r.text, clean(e.Text))
}

// insert puts the statement in the pipeline, if there is anything to append.
func (r *eventRows) insert(p *pipeline) {
	if len(r.watch) > 0 {
		p.exec(insertEvents, r.watch, r.at, r.kind, r.text)
	}
}

// Events is store.Registry's.
func (s *Store) Events(ctx context.Context, watchID string, after int64, limit int) ([]store.Event, error) {
	const query = `SELECT seq, at, kind, text FROM flyte_notifier.events
		WHERE watch = (SELECT w.seq FROM flyte_notifier.watches w WHERE w.id = $1) AND seq > $2 ORDER BY seq LIMIT $3`
	all, err := list(ctx, s.pool, scanEvent, query, clean(watchID), after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read events of watch %s: %w", watchID, err)
	}
	return all, nil
}

func scanEvent(row pgx.Row) (e store.Event, err error) {
	var at int64
	err = row.Scan(&e.Seq, &at, &e.Kind, &e.Text)
	e.At = time.UnixMicro(at).UTC()
	return e, err
}
