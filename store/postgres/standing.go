package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// standing is what a write must know of a delivery, once it holds its lock.
type standing struct {
	seq        int64
	id         string
	watch      string
	connection string
	address    string
	state      store.DeliveryState
	attempts   int
	next       int64
	opened     *int64
	unknown    *int64
	lastError  string
}

const (
	standingColumns = `d.seq, d.id, d.watch_id, d.connection, d.address, d.state, d.attempts, d.next_at,
	d.opened_at, d.unknown_at, d.last_error`
	lockDeliveries = "SELECT " + standingColumns + ` FROM flyte_notifier.deliveries d
	WHERE d.id = ANY($1) ORDER BY d.id FOR NO KEY UPDATE`
)

func scanStanding(row pgx.Row) (d standing, err error) {
	var state string
	err = row.Scan(&d.seq, &d.id, &d.watch, &d.connection, &d.address, &state, &d.attempts, &d.next,
		&d.opened, &d.unknown, &d.lastError)
	d.state = store.DeliveryState(state)
	return d, err
}

func byID(all []standing) map[string]*standing {
	m := make(map[string]*standing, len(all))
	for i := range all {
		m[all[i].id] = &all[i]
	}
	return m
}

func (d *standing) turn() turn { return turn{d.watch, d.connection, d.address} }

// lockOwners takes the locks of the watches of deliveries, in the order that all writes keep, and returns
// their seqs. query selects the deliveries' watch ids by $1.
func lockOwners(p *pipeline, watches *[]locked, query string, ids []string) {
	into(p, watches, scanLocked, `SELECT id, seq, version FROM flyte_notifier.watches WHERE id IN (`+query+`) ORDER BY id FOR NO KEY UPDATE`, ids)
	p.exec(`SELECT 1 FROM flyte_notifier.purged_watches WHERE id IN (`+query+`) ORDER BY id FOR NO KEY UPDATE`, ids)
}

const ownersOf = "SELECT d.watch_id FROM flyte_notifier.deliveries d WHERE d.id = ANY($1)"

// turns are lanes of watches as columns, see watchRows.
type turns struct {
	watch, connection, address []string
}

func (t *turns) add(n turn) {
	t.watch, t.connection, t.address = append(t.watch, n.watch), append(t.connection, n.connection), append(t.address, n.address)
}

// promote makes the first that is pending in each of the lanes the head, and returns those that were not.
func promote(p *pipeline, t *turns, heads *[]queued) {
	const query = `UPDATE flyte_notifier.deliveries d SET head = true WHERE d.seq IN (
		SELECT (SELECT n.seq FROM flyte_notifier.deliveries n WHERE n.state = 'pending' AND n.watch_id = i.watch
			AND n.connection = i.connection AND n.address = i.address ORDER BY n.seq LIMIT 1)
		FROM unnest($1::text[], $2::text[], $3::text[]) AS i(watch, connection, address)) AND NOT d.head
		RETURNING ` + queuedColumns
	into(p, heads, scanQueued, query, t.watch, t.connection, t.address)
}

// seqsOf are the seqs of watches by id.
func seqsOf(watches []locked) map[string]int64 {
	m := make(map[string]int64, len(watches))
	for _, w := range watches {
		m[w.id] = w.seq
	}
	return m
}

// finish puts the heads into the queue, and takes out what is settled.
func (s *Store) finish(ctx context.Context, tx pgx.Tx, heads []queued, settled []string) error {
	if err := s.enqueue(ctx, tx, heads); err != nil {
		return err
	}
	return s.complete(ctx, tx, settled)
}
