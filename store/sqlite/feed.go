package sqlite

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// name is one to poll, with its bucket: the order of a poll.
type name struct {
	bucket int
	name   string
}

func (n name) compare(m name) int {
	return cmp.Or(cmp.Compare(n.bucket, m.bucket), cmp.Compare(n.name, m.name))
}

// scanNames reads a row that holds many names as JSON: SQLite makes one row of a thousand names in less
// time than it hands over a hundred rows.
func scanNames(row scanner) (all []name, err error) {
	var raw []byte
	if err := row.Scan(&raw); err != nil {
		return nil, err
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil {
		return nil, fmt.Errorf("read list of names: %w", err)
	}
	for _, n := range names {
		all = append(all, name{bucket: flyte.Bucket(n), name: n})
	}
	return all, nil
}

// Names is store.Feed's. It reads indexes and no table.
func (s *Store) Names(ctx context.Context, sh flyte.Shard, ended time.Time, after string, limit int) ([]string, error) {
	if limit <= 0 {
		return nil, nil
	}
	first, end := sh.Range()
	last := name{bucket: first}
	if after != "" {
		last = name{bucket: flyte.Bucket(after), name: after}
	}
	all, err := s.activeNames(ctx, sh, last, end, limit)
	if err == nil {
		all, err = s.withEnded(ctx, sh, all, ended, last, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read names of %s: %w", sh, err)
	}
	names := make([]string, 0, min(len(all), limit))
	for _, n := range all[:min(len(all), limit)] {
		names = append(names, n.name)
	}
	return names, nil
}

// inOrder sorts names; each comes once.
func inOrder(all []name) []name {
	if !slices.IsSortedFunc(all, name.compare) { // mostly one list is empty
		slices.SortFunc(all, name.compare)
	}
	return slices.Compact(all)
}

// activeNames are those of active watches, and of the executions that waiting ones run in.
func (s *Store) activeNames(ctx context.Context, sh flyte.Shard, last name, end, limit int) ([]name, error) {
	const query = `
	SELECT json_group_array(name) FROM (SELECT DISTINCT bucket, name FROM watches INDEXED BY watches_follow
		WHERE kind = 'follow' AND org = ?1 AND project = ?2 AND domain = ?3 AND state = 'active'
		AND (bucket, name) > (?4, ?5) AND bucket < ?6 ORDER BY bucket, name LIMIT ?7)
	UNION ALL SELECT json_group_array(own_name) FROM (SELECT DISTINCT own_bucket, own_name FROM watches INDEXED BY watches_own
		WHERE wait = 1 AND state = 'active' AND own_name <> '' AND own_org = ?1 AND own_project = ?2 AND own_domain = ?3
		AND (own_bucket, own_name) > (?4, ?5) AND own_bucket < ?6 ORDER BY own_bucket, own_name LIMIT ?7)`
	sc := sh.Scope
	lists, err := read(ctx, s.queries, scanNames, query, sc.Org, sc.Project, sc.Domain, last.bucket, last.name, end, limit)
	return inOrder(slices.Concat(lists...)), err
}

// withEnded adds the names of watches that ended lately to a page of others, as far as the page goes.
// It goes from bucket to bucket, since most that ended did so long ago: the index holds the late ones
// of a bucket together.
func (s *Store) withEnded(ctx context.Context, sh flyte.Shard, page []name, ended time.Time, last name, limit int) ([]name, error) {
	const query = `WITH RECURSIVE b(n) AS (SELECT ?4 UNION ALL SELECT n + 1 FROM b WHERE n + 1 < ?6)
	SELECT json_group_array(name) FROM (SELECT DISTINCT w.bucket, w.name FROM b CROSS JOIN watches w INDEXED BY watches_ended
		ON w.kind = 'follow' AND w.state = 'ended' AND w.org = ?1 AND w.project = ?2 AND w.domain = ?3
		AND w.bucket = b.n AND w.ended_at >= ?7
	WHERE w.bucket > ?4 OR w.name > ?5)`
	_, end := sh.Range()
	width := 1
	if len(page) >= limit {
		end = page[limit-1].bucket + 1
		width = end - last.bucket
	}
	sc, found := sh.Scope, 0
	for from := last.bucket; from < end && found < limit; from, width = from+width, width*8 {
		after := ""
		if from == last.bucket {
			after = last.name
		}
		lists, err := read(ctx, s.queries, scanNames, query,
			sc.Org, sc.Project, sc.Domain, from, after, min(from+width, end), ended.UnixMicro())
		if err != nil {
			return nil, err
		}
		for _, more := range lists {
			page, found = append(page, more...), found+len(more)
		}
	}
	if found == 0 {
		return page, nil
	}
	return inOrder(page), nil
}

// ByName is store.Feed's. The names go in as one text, so that one statement serves any number.
func (s *Store) ByName(ctx context.Context, sc flyte.Scope, ended time.Time, names []string) ([]store.Watch, error) {
	const query = `SELECT ` + watchColumns + ` FROM watches WHERE seq IN (
		SELECT w.seq FROM json_each(?5) j CROSS JOIN watches w INDEXED BY watches_follow ON w.kind = 'follow'
			AND w.org = ?1 AND w.project = ?2 AND w.domain = ?3 AND w.state = 'active' AND w.bucket = j.value AND w.name = j.key
		UNION SELECT w.seq FROM json_each(?5) j CROSS JOIN watches w INDEXED BY watches_follow ON w.kind = 'follow'
			AND w.org = ?1 AND w.project = ?2 AND w.domain = ?3 AND w.state = 'ended' AND w.bucket = j.value AND w.name = j.key
			WHERE w.ended_at >= ?4
		UNION SELECT w.seq FROM json_each(?5) j CROSS JOIN watches w INDEXED BY watches_own ON w.wait = 1 AND w.state = 'active'
			AND w.own_name <> '' AND w.own_org = ?1 AND w.own_project = ?2 AND w.own_domain = ?3
			AND w.own_bucket = j.value AND w.own_name = j.key) ORDER BY seq`
	buckets := make(map[string]int, len(names))
	for _, name := range names {
		buckets[name] = flyte.Bucket(name)
	}
	asked, err := json.Marshal(buckets)
	if err != nil {
		return nil, fmt.Errorf("write %d names: %w", len(names), err)
	}
	watches, err := read(ctx, s.queries, scanWatch, query, sc.Org, sc.Project, sc.Domain, ended.UnixMicro(), string(asked))
	if err != nil {
		return nil, fmt.Errorf("read watches of %d names in %s: %w", len(names), sc, err)
	}
	return watches, nil
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
