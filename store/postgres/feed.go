package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Names is store.Feed's. It reads three indexes and no table.
func (s *Store) Names(ctx context.Context, sh flyte.Shard, ended time.Time, after string, limit int) ([]string, error) {
	const query = `SELECT name FROM (
		(SELECT DISTINCT bucket, name FROM flyte_notifier.watches WHERE kind = 'follow' AND state = 'active'
			AND org = $1 AND project = $2 AND domain = $3 AND (bucket, name) > ($4::smallint, $5) AND bucket < $6
			ORDER BY bucket, name LIMIT $8)
		UNION (SELECT DISTINCT bucket, name FROM flyte_notifier.watches WHERE kind = 'follow' AND state = 'ended'
			AND org = $1 AND project = $2 AND domain = $3 AND ended_at >= $7 AND (bucket, name) > ($4::smallint, $5) AND bucket < $6
			ORDER BY bucket, name LIMIT $8)
		UNION (SELECT DISTINCT own_bucket, own_name FROM flyte_notifier.watches WHERE wait AND state = 'active' AND own_name <> ''
			AND own_org = $1 AND own_project = $2 AND own_domain = $3 AND (own_bucket, own_name) > ($4::smallint, $5) AND own_bucket < $6
			ORDER BY own_bucket, own_name LIMIT $8)) n
	ORDER BY bucket, name LIMIT $8`
	after = clean(after)
	first, end := sh.Range()
	from := int16(first) //nolint:gosec // below flyte.Buckets
	if b := bucket(after); after != "" && b >= from {
		from = b
	} else {
		after = ""
	}
	sc := cleanScope(sh.Scope)
	names, err := list(ctx, s.pool, scanText, query, sc.Org, sc.Project, sc.Domain, from, after, end, ended.UnixMicro(), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read names of %s: %w", sh, err)
	}
	return names, nil
}

// ByName is store.Feed's.
func (s *Store) ByName(ctx context.Context, sc flyte.Scope, ended time.Time, names []string) ([]store.Watch, error) {
	const query = `WITH n AS MATERIALIZED (SELECT * FROM unnest($4::smallint[], $5::text[]) AS n(bucket, name))
	SELECT ` + watchColumns + ` FROM flyte_notifier.watches w WHERE w.seq IN (
		SELECT f.seq FROM n JOIN flyte_notifier.watches f ON f.bucket = n.bucket AND f.name = n.name
			WHERE f.kind = 'follow' AND f.state = 'active' AND f.org = $1 AND f.project = $2 AND f.domain = $3
		UNION SELECT f.seq FROM n JOIN flyte_notifier.watches f ON f.bucket = n.bucket AND f.name = n.name
			WHERE f.kind = 'follow' AND f.state = 'ended' AND f.org = $1 AND f.project = $2 AND f.domain = $3 AND f.ended_at >= $6
		UNION SELECT o.seq FROM n JOIN flyte_notifier.watches o ON o.own_bucket = n.bucket AND o.own_name = n.name
			WHERE o.wait AND o.state = 'active' AND o.own_name <> '' AND o.own_org = $1 AND o.own_project = $2 AND o.own_domain = $3)
	ORDER BY w.seq`
	sc = cleanScope(sc)
	asked := make([]string, 0, len(names))
	for _, name := range names {
		asked = append(asked, clean(name))
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	buckets := make([]int16, 0, len(asked))
	for _, name := range asked {
		buckets = append(buckets, bucket(name))
	}
	watches, err := list(ctx, s.pool, scanWatch, query, sc.Org, sc.Project, sc.Domain, buckets, asked, ended.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("read watches of %d names in %s: %w", len(names), sc, err)
	}
	return watches, nil
}

// Fresh is store.Feed's.
func (s *Store) Fresh(ctx context.Context, k store.Kind, limit int) ([]store.Watch, error) {
	const query = "SELECT " + watchColumns + ` FROM flyte_notifier.watches w
		WHERE w.kind = $1 AND w.state = 'active' AND w.fresh ORDER BY w.seq LIMIT $2`
	watches, err := list(ctx, s.pool, scanWatch, query, clean(string(k)), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read fresh watches: %w", err)
	}
	return watches, nil
}

// Nodes is store.Feed's.
func (s *Store) Nodes(ctx context.Context, after string, limit int) ([]store.Watch, error) {
	const query = "SELECT " + watchColumns + ` FROM flyte_notifier.watches w
		WHERE w.kind = 'follow' AND w.state = 'active' AND w.node <> '' AND w.id > $1 ORDER BY w.id LIMIT $2`
	watches, err := list(ctx, s.pool, scanWatch, query, clean(after), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read node watches: %w", err)
	}
	return watches, nil
}

func cleanScope(sc flyte.Scope) flyte.Scope {
	cleanAll(&sc.Org, &sc.Project, &sc.Domain)
	return sc
}

func scanShard(row pgx.Row) (s flyte.Shard, err error) {
	sc := &s.Scope
	err = row.Scan(&sc.Org, &sc.Project, &sc.Domain, &s.Index, &s.Of)
	return s, err
}
