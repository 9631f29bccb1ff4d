package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// dueAtOnce bounds what one look at a lane returns, and is what it reads at least where there is as much.
const dueAtOnce = 128

// firstOfLanes finds, for each lane that has something to send, what is due first. It hops from lane to
// lane in the index, so that a million deliveries of one lane weigh nothing.
const firstOfLanes = `WITH RECURSIVE lane(seq) AS (
	SELECT (SELECT seq FROM deliveries INDEXED BY deliveries_due WHERE head = 1 AND opened_at IS NULL
		ORDER BY connection, address, next_at LIMIT 1)
	UNION ALL SELECT coalesce(
		(SELECT n.seq FROM deliveries n INDEXED BY deliveries_due WHERE n.head = 1 AND n.opened_at IS NULL
			AND n.connection = d.connection AND n.address > d.address ORDER BY n.address, n.next_at LIMIT 1),
		(SELECT n.seq FROM deliveries n INDEXED BY deliveries_due WHERE n.head = 1 AND n.opened_at IS NULL
			AND n.connection > d.connection ORDER BY n.connection, n.address, n.next_at LIMIT 1))
	FROM lane l JOIN deliveries d ON d.seq = l.seq)
`

// Lanes is store.Outbox's.
func (s *Store) Lanes(ctx context.Context, now time.Time) ([]store.DueLane, error) {
	const query = firstOfLanes + `SELECT d.connection, d.address, (SELECT group_concat(x.seq || ' ' || x.next_at) FROM (
			SELECT seq, next_at FROM deliveries n INDEXED BY deliveries_due WHERE n.head = 1 AND n.opened_at IS NULL
			AND n.connection = d.connection AND n.address = d.address AND n.next_at <= ?1 ORDER BY n.next_at, n.seq LIMIT ?2) x)
		FROM lane l JOIN deliveries d ON d.seq = l.seq WHERE d.next_at <= ?1 ORDER BY 1, 2`
	lanes, err := read(ctx, s.queries, scanLane, query, now.UnixMicro(), store.LaneWindow)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	return lanes, nil
}

func scanLane(row scanner) (l store.DueLane, err error) {
	err = row.Scan(&l.Connection, &l.Address, &l.Mark)
	return l, err
}

// reminderPlace is the place of a lane's first reminder in what Due returns, at the latest.
const reminderPlace = "10"

// turns picks the due deliveries of a lane: what is new before reminders, but for one of those; of each a turn for each
// project and domain after the other, the oldest of each first. It hops from scope to scope in the index. Turns of the
// same number come in any order, for else those scopes whose backlog is the oldest would have all of them.
const turns = `WITH RECURSIVE scope(priority, project, domain) AS (
	SELECT * FROM (SELECT priority, project, domain FROM deliveries INDEXED BY deliveries_turn WHERE head = 1 AND opened_at IS NULL
		AND connection = ?1 AND address = ?2 ORDER BY priority, project, domain LIMIT 1)
	UNION ALL SELECT n.priority, n.project, n.domain FROM scope s JOIN deliveries n ON n.seq = coalesce(
		(SELECT x.seq FROM deliveries x INDEXED BY deliveries_turn WHERE x.head = 1 AND x.opened_at IS NULL
			AND x.connection = ?1 AND x.address = ?2 AND x.priority = s.priority AND x.project = s.project AND x.domain > s.domain ORDER BY x.domain LIMIT 1),
		(SELECT x.seq FROM deliveries x INDEXED BY deliveries_turn WHERE x.head = 1 AND x.opened_at IS NULL
			AND x.connection = ?1 AND x.address = ?2 AND x.priority = s.priority AND x.project > s.project ORDER BY x.project, x.domain LIMIT 1),
		(SELECT x.seq FROM deliveries x INDEXED BY deliveries_turn WHERE x.head = 1 AND x.opened_at IS NULL
			AND x.connection = ?1 AND x.address = ?2 AND x.priority > s.priority ORDER BY x.priority, x.project, x.domain LIMIT 1))),
ready AS MATERIALIZED (SELECT priority, project, domain FROM scope s WHERE EXISTS (
	SELECT 1 FROM deliveries x INDEXED BY deliveries_turn WHERE x.head = 1 AND x.opened_at IS NULL
		AND x.connection = ?1 AND x.address = ?2 AND x.priority = s.priority AND x.project = s.project AND x.domain = s.domain AND x.next_at <= ?3)),
longest(seq, priority, turn) AS (` + ofEach + "= 0" + share + "= 0))\nUNION ALL " + ofEach + "> 0" + share + `> 0)))
`

// ofEach and share read of each scope what is due longest: as much as the answer holds of it if every other scope of the
// same urgency has one only, and of few scopes more, for the oldest of those goes first, such as a retry.
const (
	ofEach = `SELECT d.seq, s.priority, row_number() OVER (PARTITION BY s.priority, s.project, s.domain ORDER BY d.seq)
	FROM (SELECT * FROM ready WHERE priority `
	share = `) s JOIN deliveries d ON d.seq IN (
		SELECT x.seq FROM deliveries x INDEXED BY deliveries_turn WHERE x.head = 1 AND x.opened_at IS NULL
			AND x.connection = ?1 AND x.address = ?2 AND x.priority = s.priority AND x.project = s.project AND x.domain = s.domain
			AND x.next_at <= ?3 ORDER BY x.next_at, x.seq
			LIMIT (SELECT max(?4 / max(count(*), 1), ?5 - count(*) + 1, 1) FROM ready WHERE priority `
)

// Due is store.Outbox's. Of more than dueAtOnce due deliveries it sees those of each scope that are due longest.
func (s *Store) Due(ctx context.Context, l store.Lane, now time.Time, limit int) ([]store.Delivery, error) {
	const query = turns + "SELECT " + deliveryColumns + ` FROM (SELECT * FROM (SELECT seq AS place, priority AS urgency, turn,
			row_number() OVER (PARTITION BY priority ORDER BY turn, random()) AS n FROM longest)
		ORDER BY CASE WHEN urgency > 0 AND n = 1 THEN ` + reminderPlace + ` ELSE n + 1000000 * urgency END, urgency DESC LIMIT ?5)
		JOIN deliveries d ON d.seq = place ORDER BY urgency, turn, place`
	due, err := read(ctx, s.queries, scanDelivery, query, l.Connection, l.Address, now.UnixMicro(), dueAtOnce, min(max(limit, 0), dueAtOnce))
	if err != nil {
		return nil, fmt.Errorf("read due deliveries of lane %s %s: %w", l.Connection, l.Address, err)
	}
	return due, nil
}

// NextAt is store.Outbox's.
func (s *Store) NextAt(ctx context.Context, now time.Time) (time.Time, error) {
	const query = `SELECT min(next_at) FROM deliveries INDEXED BY deliveries_next
		WHERE state = 'pending' AND next_at > ?`
	var next sql.NullInt64
	if err := s.queries.row(ctx, query, []any{now.UnixMicro()}, &next); err != nil {
		return time.Time{}, fmt.Errorf("read when the next delivery is due: %w", err)
	}
	return moment(next), nil
}

// OldestDue is store.Ledger's.
func (s *Store) OldestDue(ctx context.Context, now time.Time) (time.Time, error) {
	const query = firstOfLanes + "SELECT min(d.next_at) FROM lane l JOIN deliveries d ON d.seq = l.seq WHERE d.next_at <= ?"
	var oldest sql.NullInt64
	if err := s.queries.row(ctx, query, []any{now.UnixMicro()}, &oldest); err != nil {
		return time.Time{}, fmt.Errorf("read the oldest due delivery: %w", err)
	}
	return moment(oldest), nil
}
