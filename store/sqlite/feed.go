package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Scopes is store.Feed's: those of Follow watches that are Active or Ended, whenever they ended, and
// of waiting tasks. It hops from scope to scope in the indexes, however many watches each has. (A
// comparison of row values would not: SQLite seeks by it, but to the beginning of equal rows.)
func (s *Store) Scopes(ctx context.Context) ([]flyte.Scope, error) {
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
		FROM own o JOIN watches w ON w.seq = o.seq)
	SELECT w.org, w.project, w.domain FROM follow f JOIN watches w ON w.seq = f.seq
		WHERE EXISTS (SELECT 1 FROM watches a INDEXED BY watches_follow WHERE a.kind = 'follow'
			AND a.org = w.org AND a.project = w.project AND a.domain = w.domain AND a.state = 'active')
		OR EXISTS (SELECT 1 FROM watches a INDEXED BY watches_follow WHERE a.kind = 'follow'
			AND a.org = w.org AND a.project = w.project AND a.domain = w.domain AND a.state = 'ended')
	UNION SELECT w.own_org, w.own_project, w.own_domain FROM own o JOIN watches w ON w.seq = o.seq
	ORDER BY 1, 2, 3`
	scopes, err := read(ctx, s.queries, scanScope, query)
	if err != nil {
		return nil, fmt.Errorf("read scopes: %w", err)
	}
	return scopes, nil
}

func scanScope(row scanner) (s flyte.Scope, err error) {
	err = row.Scan(&s.Org, &s.Project, &s.Domain)
	return s, err
}

// Names is store.Feed's. It reads three indexes and no table.
func (s *Store) Names(ctx context.Context, sc flyte.Scope, ended time.Time, after string, limit int) ([]string, error) {
	const query = `
	SELECT name FROM (SELECT DISTINCT name FROM watches INDEXED BY watches_follow
		WHERE kind = 'follow' AND org = ?1 AND project = ?2 AND domain = ?3 AND state = 'active' AND name > ?4
		ORDER BY name LIMIT ?6)
	UNION SELECT name FROM (SELECT DISTINCT name FROM watches INDEXED BY watches_ended
		WHERE kind = 'follow' AND state = 'ended' AND org = ?1 AND project = ?2 AND domain = ?3
		AND ended_at >= ?5 AND name > ?4 ORDER BY name LIMIT ?6)
	UNION SELECT own_name FROM (SELECT DISTINCT own_name FROM watches INDEXED BY watches_own
		WHERE wait = 1 AND state = 'active' AND own_name <> ''
		AND own_org = ?1 AND own_project = ?2 AND own_domain = ?3 AND own_name > ?4 ORDER BY own_name LIMIT ?6)
	ORDER BY 1 LIMIT ?6`
	names, err := read(ctx, s.queries, scanText, query,
		sc.Org, sc.Project, sc.Domain, after, ended.UnixMicro(), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read names of %s: %w", sc, err)
	}
	return names, nil
}

// namesAtOnce bounds the values of one query.
const namesAtOnce = 500

// ByName is store.Feed's.
func (s *Store) ByName(ctx context.Context, sc flyte.Scope, ended time.Time, names []string) ([]store.Watch, error) {
	var all []store.Watch
	seen := map[string]bool{}
	for chunk := range slices.Chunk(names, namesAtOnce) {
		in := placeholders(5, len(chunk))
		query := `SELECT ` + watchColumns + ` FROM watches WHERE seq IN (
		SELECT seq FROM watches INDEXED BY watches_follow WHERE kind = 'follow'
			AND org = ?1 AND project = ?2 AND domain = ?3 AND state = 'active' AND name IN (` + in + `)
		UNION SELECT seq FROM watches INDEXED BY watches_follow WHERE kind = 'follow'
			AND org = ?1 AND project = ?2 AND domain = ?3 AND state = 'ended' AND name IN (` + in + `) AND ended_at >= ?4
		UNION SELECT seq FROM watches INDEXED BY watches_own WHERE wait = 1 AND state = 'active' AND own_name <> ''
			AND own_org = ?1 AND own_project = ?2 AND own_domain = ?3 AND own_name IN (` + in + `)) ORDER BY seq`
		args := []any{sc.Org, sc.Project, sc.Domain, ended.UnixMicro()}
		for _, name := range chunk {
			args = append(args, name)
		}
		watches, err := readOnce(ctx, s.queries, scanWatch, query, args...)
		if err != nil {
			return nil, fmt.Errorf("read watches of %d names in %s: %w", len(names), sc, err)
		}
		for _, w := range watches { // a watch may come by a name of its own and by its task's
			if !seen[w.ID] {
				seen[w.ID] = true
				all = append(all, w)
			}
		}
	}
	return all, nil
}

// placeholders returns n numbered parameters from the first on: "?5,?6,?7".
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "?%d", first+i)
	}
	return b.String()
}

// Fresh is store.Feed's.
func (s *Store) Fresh(ctx context.Context, k store.Kind, limit int) ([]store.Watch, error) {
	const query = "SELECT " + watchColumns + ` FROM watches INDEXED BY watches_fresh
		WHERE kind = ? AND state = 'active' AND phase = '' ORDER BY seq LIMIT ?`
	watches, err := read(ctx, s.queries, scanWatch, query, string(k), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read fresh watches: %w", err)
	}
	return watches, nil
}

// Nodes is store.Feed's.
func (s *Store) Nodes(ctx context.Context, after string, limit int) ([]store.Watch, error) {
	const query = "SELECT " + watchColumns + ` FROM watches INDEXED BY watches_nodes
		WHERE kind = 'follow' AND state = 'active' AND node <> '' AND id > ? ORDER BY id LIMIT ?`
	watches, err := read(ctx, s.queries, scanWatch, query, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read node watches: %w", err)
	}
	return watches, nil
}
