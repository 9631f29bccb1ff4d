package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Shards is store.Shards's: of the scopes of Follow watches that are Active or Ended, whenever they ended, and
// of waiting tasks. It hops from scope to scope in the indexes, however many watches each has. (A
// comparison of row values would not: SQLite seeks by it, but to the beginning of equal rows.)
func (s *Store) Shards(ctx context.Context) ([]flyte.Shard, error) {
	const query = `WITH RECURSIVE
	follow(seq) AS (
		SELECT (SELECT seq FROM watches INDEXED BY watches_follow WHERE kind = 'follow'
			ORDER BY org, project, domain LIMIT 1)
		UNION ALL SELECT coalesce(
			(SELECT n.seq FROM watches n INDEXED BY watches_follow WHERE n.kind = 'follow'
				AND n.org = w.org AND n.project = w.project AND n.domain > w.domain ORDER BY n.domain LIMIT 1),
			(SELECT n.seq FROM watches n INDEXED BY watches_follow WHERE n.kind = 'follow'
				AND n.org = w.org AND n.project > w.project ORDER BY n.project, n.domain LIMIT 1),
			(SELECT n.seq FROM watches n INDEXED BY watches_follow WHERE n.kind = 'follow'
				AND n.org > w.org ORDER BY n.org, n.project, n.domain LIMIT 1))
		FROM follow f JOIN watches w ON w.seq = f.seq),
	own(seq) AS (
		SELECT (SELECT seq FROM watches INDEXED BY watches_own WHERE wait = 1 AND state = 'active' AND own_name <> ''
			ORDER BY own_org, own_project, own_domain LIMIT 1)
		UNION ALL SELECT coalesce(
			(SELECT n.seq FROM watches n INDEXED BY watches_own WHERE n.wait = 1 AND n.state = 'active' AND n.own_name <> ''
				AND n.own_org = w.own_org AND n.own_project = w.own_project AND n.own_domain > w.own_domain
				ORDER BY n.own_domain LIMIT 1),
			(SELECT n.seq FROM watches n INDEXED BY watches_own WHERE n.wait = 1 AND n.state = 'active' AND n.own_name <> ''
				AND n.own_org = w.own_org AND n.own_project > w.own_project ORDER BY n.own_project, n.own_domain LIMIT 1),
			(SELECT n.seq FROM watches n INDEXED BY watches_own WHERE n.wait = 1 AND n.state = 'active' AND n.own_name <> ''
				AND n.own_org > w.own_org ORDER BY n.own_org, n.own_project, n.own_domain LIMIT 1))
		FROM own o JOIN watches w ON w.seq = o.seq),
	scopes(org, project, domain) AS (
		SELECT w.org, w.project, w.domain FROM follow f JOIN watches w ON w.seq = f.seq
			WHERE EXISTS (SELECT 1 FROM watches a INDEXED BY watches_follow WHERE a.kind = 'follow'
				AND a.org = w.org AND a.project = w.project AND a.domain = w.domain AND a.state = 'active')
			OR EXISTS (SELECT 1 FROM watches a INDEXED BY watches_follow WHERE a.kind = 'follow'
				AND a.org = w.org AND a.project = w.project AND a.domain = w.domain AND a.state = 'ended')
		UNION SELECT w.own_org, w.own_project, w.own_domain FROM own o JOIN watches w ON w.seq = o.seq)
	SELECT s.org, s.project, s.domain, coalesce(h.place, 0), coalesce(h.of, 1)
		FROM scopes s LEFT JOIN shards h ON h.org = s.org AND h.project = s.project AND h.domain = s.domain
		ORDER BY 1, 2, 3, 4`
	shards, err := read(ctx, s.queries, scanShard, query)
	if err != nil {
		return nil, fmt.Errorf("read shards: %w", err)
	}
	return shards, nil
}

func scanShard(row scanner) (s flyte.Shard, err error) {
	sc := &s.Scope
	err = row.Scan(&sc.Org, &sc.Project, &sc.Domain, &s.Index, &s.Of)
	return s, err
}

// errShards says that a scope cannot have so many.
var errShards = fmt.Errorf("a scope has a power of two of shards, %d at most", flyte.Buckets)

// tenure is a shard's row.
type tenure struct {
	epoch   int64
	since   sql.NullInt64
	overlap int64
}

func (t tenure) cursor() flyte.Cursor {
	return flyte.Cursor{Since: moment(t.since), Overlap: time.Duration(t.overlap)}
}

// Claim is store.Shards's. A shard of a scope that was split meanwhile is store.ErrConflict.
func (s *Store) Claim(ctx context.Context, sh flyte.Shard) (int64, flyte.Cursor, error) {
	held, err := write(ctx, s, func(t *tx) (tenure, error) { return t.claim(sh) })
	if err != nil {
		return 0, flyte.Cursor{}, fmt.Errorf("claim shard %s: %w", sh, err)
	}
	return held.epoch, held.cursor(), nil
}

func (t *tx) claim(sh flyte.Shard) (held tenure, err error) {
	const claim = `INSERT INTO shards (org, project, domain, place, of, epoch, overlap) VALUES (?1, ?2, ?3, ?4, ?5, 1, 0)
		ON CONFLICT DO UPDATE SET epoch = epoch + 1`
	of, err := t.shardsOf(sh.Scope)
	switch {
	case err != nil:
		return held, err
	case of != sh.Of || sh.Index < 0 || sh.Index >= of:
		return held, store.ErrConflict
	}
	sc := sh.Scope
	if err := t.exec(claim, sc.Org, sc.Project, sc.Domain, sh.Index, sh.Of); err != nil {
		return held, err
	}
	return t.tenure(sh)
}

// shardsOf returns how many shards a scope has.
func (t *tx) shardsOf(sc flyte.Scope) (of int, err error) {
	const query = "SELECT coalesce(max(of), 1) FROM shards WHERE org = ? AND project = ? AND domain = ?"
	err = t.row(query, []any{sc.Org, sc.Project, sc.Domain}, &of)
	return of, err
}

// tenure reads a shard's row; one that was never claimed is store.ErrNotFound.
func (t *tx) tenure(sh flyte.Shard) (held tenure, err error) {
	const query = "SELECT epoch, since, overlap FROM shards WHERE org = ? AND project = ? AND domain = ? AND place = ? AND of = ?"
	sc := sh.Scope
	args := []any{sc.Org, sc.Project, sc.Domain, sh.Index, sh.Of}
	err = t.row(query, args, &held.epoch, &held.since, &held.overlap)
	return held, err
}

// Advance is store.Shards's.
func (s *Store) Advance(ctx context.Context, sh flyte.Shard, epoch int64, c flyte.Cursor) error {
	const advance = `UPDATE shards SET since = ?, overlap = ?
		WHERE org = ? AND project = ? AND domain = ? AND place = ? AND of = ? AND epoch = ?`
	sc := sh.Scope
	n, err := write(ctx, s, func(t *tx) (int, error) {
		return t.affect(advance, micros(c.Since), int64(c.Overlap), sc.Org, sc.Project, sc.Domain, sh.Index, sh.Of, epoch)
	})
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("advance shard %s: %w", sh, err)
	}
	return nil
}

// Split is store.Shards's.
func (s *Store) Split(ctx context.Context, sc flyte.Scope, of int) error {
	err := errShards
	if of > 0 && of <= flyte.Buckets && bits.OnesCount(uint(of)) == 1 {
		_, err = write(ctx, s, func(t *tx) (struct{}, error) { return struct{}{}, t.split(sc, of) })
	}
	if err != nil {
		return fmt.Errorf("split scope %s into %d: %w", sc, of, err)
	}
	return nil
}

// split replaces the rows of a scope's shards by more. What was claimed once keeps its epoch, so that
// later tenures are above it; those fenced off have another `of`.
func (t *tx) split(sc flyte.Scope, of int) error {
	const remove = "DELETE FROM shards WHERE org = ? AND project = ? AND domain = ?"
	const insert = "INSERT INTO shards (org, project, domain, place, of, epoch, since, overlap) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
	before, err := t.shardsOf(sc)
	if err != nil || before >= of {
		return err
	}
	parents := make([]tenure, before)
	for i := range parents {
		parents[i], err = t.tenure(flyte.Shard{Scope: sc, Index: i, Of: before})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	if err := t.exec(remove, sc.Org, sc.Project, sc.Domain); err != nil {
		return err
	}
	for i := range of {
		p := parents[i/(of/before)]
		if err := t.exec(insert, sc.Org, sc.Project, sc.Domain, i, of, p.epoch, p.since, p.overlap); err != nil {
			return err
		}
	}
	return nil
}

// Join is store.Shards's. A file has one server, which holds everything.
func (s *Store) Join(context.Context) (store.Membership, error) { return alone{}, nil }

// alone is the membership of the only server.
type alone struct{}

// Hold is store.Membership's.
func (alone) Hold(ctx context.Context, all []flyte.Shard) ([]flyte.Shard, int, error) {
	return all, 1, ctx.Err()
}

// Leave is store.Membership's.
func (alone) Leave() {}
