package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/bits"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Shards is store.Shards's: of the scopes of Follow watches that are Active or Ended, whenever they ended,
// and of waiting tasks. It hops from scope to scope in the indexes, however many watches each has.
func (s *Store) Shards(ctx context.Context) ([]flyte.Shard, error) {
	const query = `WITH RECURSIVE
	follow AS (
		(SELECT org, project, domain FROM flyte_notifier.watches WHERE kind = 'follow' ORDER BY org, project, domain LIMIT 1)
		UNION ALL SELECT n.* FROM follow f CROSS JOIN LATERAL (
			SELECT w.org, w.project, w.domain FROM flyte_notifier.watches w WHERE w.kind = 'follow'
			AND (w.org, w.project, w.domain) > (f.org, f.project, f.domain) ORDER BY w.org, w.project, w.domain LIMIT 1) n),
	own AS (
		(SELECT own_org, own_project, own_domain FROM flyte_notifier.watches WHERE wait AND state = 'active' AND own_name <> ''
			ORDER BY own_org, own_project, own_domain LIMIT 1)
		UNION ALL SELECT n.* FROM own o CROSS JOIN LATERAL (
			SELECT w.own_org, w.own_project, w.own_domain FROM flyte_notifier.watches w WHERE w.wait AND w.state = 'active' AND w.own_name <> ''
			AND (w.own_org, w.own_project, w.own_domain) > (o.own_org, o.own_project, o.own_domain)
			ORDER BY w.own_org, w.own_project, w.own_domain LIMIT 1) n),
	scopes AS (
		SELECT org, project, domain FROM follow f WHERE EXISTS (SELECT 1 FROM flyte_notifier.watches w WHERE w.kind = 'follow'
			AND w.org = f.org AND w.project = f.project AND w.domain = f.domain AND w.state = 'active')
		OR EXISTS (SELECT 1 FROM flyte_notifier.watches w WHERE w.kind = 'follow'
			AND w.org = f.org AND w.project = f.project AND w.domain = f.domain AND w.state = 'ended')
		UNION SELECT own_org, own_project, own_domain FROM own)
	SELECT c.org, c.project, c.domain, coalesce(h.place, 0), coalesce(h.of, 1)
		FROM scopes c LEFT JOIN flyte_notifier.shards h ON h.org = c.org AND h.project = c.project AND h.domain = c.domain
		ORDER BY 1, 2, 3, 4`
	found, err := list(ctx, s.pool, scanShard, query)
	if err != nil {
		return nil, fmt.Errorf("read shards: %w", err)
	}
	return whole(found), nil
}

// whole adds the shards of split scopes that nobody has claimed yet.
func whole(found []flyte.Shard) []flyte.Shard {
	var all []flyte.Shard
	for i, sh := range found {
		if i == 0 || found[i-1].Scope != sh.Scope {
			for index := range sh.Of {
				all = append(all, flyte.Shard{Scope: sh.Scope, Index: index, Of: sh.Of})
			}
		}
	}
	return all
}

// tenure is a shard's row.
type tenure struct {
	place   int
	of      int
	epoch   int64
	since   *int64
	overlap int64
}

func scanTenure(row pgx.Row) (t tenure, err error) {
	err = row.Scan(&t.place, &t.of, &t.epoch, &t.since, &t.overlap)
	return t, err
}

func (t tenure) cursor() flyte.Cursor {
	return flyte.Cursor{Since: moment(t.since), Overlap: time.Duration(t.overlap)}
}

// lockScope keeps others from claiming and splitting a scope, and returns its shards' rows.
func lockScope(ctx context.Context, tx pgx.Tx, sc flyte.Scope) ([]tenure, error) {
	const query = `SELECT place, of, epoch, since, overlap FROM flyte_notifier.shards
		WHERE org = $1 AND project = $2 AND domain = $3 ORDER BY place FOR UPDATE`
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", scopeLock, keyOf(sc.String())); err != nil {
		return nil, err
	}
	return list(ctx, tx, scanTenure, query, sc.Org, sc.Project, sc.Domain)
}

// keyOf is a text as the second key of an advisory lock.
func keyOf(text string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // a hash does not fail
	return int32(h.Sum32())      //nolint:gosec // any 32 bits do
}

// Claim is store.Shards's. A shard of a scope that was split meanwhile is store.ErrConflict.
func (s *Store) Claim(ctx context.Context, sh flyte.Shard) (int64, flyte.Cursor, error) {
	sh.Scope = cleanScope(sh.Scope)
	held, err := write(ctx, s, func(tx pgx.Tx) (tenure, error) { return claim(ctx, tx, sh) })
	if err != nil {
		return 0, flyte.Cursor{}, fmt.Errorf("claim shard %s: %w", sh, err)
	}
	return held.epoch, held.cursor(), nil
}

func claim(ctx context.Context, tx pgx.Tx, sh flyte.Shard) (tenure, error) {
	const claim = `INSERT INTO flyte_notifier.shards AS h (org, project, domain, place, of, epoch, overlap) VALUES ($1, $2, $3, $4, $5, 1, 0)
		ON CONFLICT (org, project, domain, place) DO UPDATE SET epoch = h.epoch + 1 RETURNING place, of, epoch, since, overlap`
	sc := sh.Scope
	rows, err := lockScope(ctx, tx, sc)
	if err != nil {
		return tenure{}, err
	}
	of := 1
	if len(rows) > 0 {
		of = rows[0].of
	}
	if of != sh.Of || sh.Index < 0 || sh.Index >= of {
		return tenure{}, store.ErrConflict
	}
	return scanTenure(tx.QueryRow(ctx, claim, sc.Org, sc.Project, sc.Domain, sh.Index, sh.Of))
}

// errShards says that a scope cannot have so many.
var errShards = fmt.Errorf("a scope has a power of two of shards, %d at most", flyte.Buckets)

// Split is store.Shards's.
func (s *Store) Split(ctx context.Context, sc flyte.Scope, of int) error {
	err := errShards
	if of > 0 && of <= flyte.Buckets && bits.OnesCount(uint(of)) == 1 {
		_, err = write(ctx, s, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, split(ctx, tx, cleanScope(sc), of) })
	}
	if err != nil {
		return fmt.Errorf("split scope %s into %d: %w", sc, of, err)
	}
	return nil
}

// split replaces the rows of a scope's shards by more. What was claimed once keeps its epoch, so that later
// tenures are above it; those fenced off have another `of`.
func split(ctx context.Context, tx pgx.Tx, sc flyte.Scope, of int) error {
	const remove = "DELETE FROM flyte_notifier.shards WHERE org = $1 AND project = $2 AND domain = $3"
	const insert = `INSERT INTO flyte_notifier.shards (org, project, domain, place, of, epoch, since, overlap)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	rows, err := lockScope(ctx, tx, sc)
	if err != nil {
		return err
	}
	before := 1
	if len(rows) > 0 {
		before = rows[0].of
	}
	if before >= of {
		return nil
	}
	parents := make([]tenure, before)
	for _, row := range rows {
		parents[row.place] = row
	}
	var p pipeline
	p.exec(remove, sc.Org, sc.Project, sc.Domain)
	for i := range of {
		from := parents[i/(of/before)]
		p.exec(insert, sc.Org, sc.Project, sc.Domain, i, of, from.epoch, from.since, from.overlap)
	}
	return p.run(ctx, tx)
}
