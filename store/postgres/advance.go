package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// advancement is one call of Advance.
type advancement struct {
	shard  flyte.Shard
	epoch  int64
	cursor flyte.Cursor
}

// Advance is store.Shards's.
func (s *Store) Advance(ctx context.Context, sh flyte.Shard, epoch int64, c flyte.Cursor) error {
	sh.Scope = cleanScope(sh.Scope)
	if err := s.advances.Do(ctx, &advancement{shard: sh, epoch: epoch, cursor: c}); err != nil {
		return fmt.Errorf("advance shard %s: %w", sh, err)
	}
	return nil
}

// runAdvance locks the rows of the shards, and writes those whose tenure goes on.
func (s *Store) runAdvance(ctx context.Context, tx pgx.Tx, jobs []*job[*advancement]) error {
	const lock = `SELECT h.org, h.project, h.domain, h.place, h.of, h.epoch FROM flyte_notifier.shards h
		JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[]) AS i(org, project, domain, place)) i
		ON h.org = i.org AND h.project = i.project AND h.domain = i.domain AND h.place = i.place
		ORDER BY h.org, h.project, h.domain, h.place FOR NO KEY UPDATE OF h`
	const advance = `UPDATE flyte_notifier.shards h SET since = $1, overlap = $2
		WHERE h.org = $3 AND h.project = $4 AND h.domain = $5 AND h.place = $6`
	var orgs, projects, domains []string
	var places []int32
	for _, j := range jobs {
		sc := j.In.shard.Scope
		orgs, projects, domains = append(orgs, sc.Org), append(projects, sc.Project), append(domains, sc.Domain)
		places = append(places, int32(j.In.shard.Index)) //nolint:gosec // below flyte.Buckets
	}
	held, err := list(ctx, tx, scanHeld, lock, orgs, projects, domains, places)
	if err != nil {
		return err
	}
	epochs := make(map[flyte.Shard]int64, len(held))
	for _, h := range held {
		epochs[h.shard] = h.epoch
	}
	var p pipeline
	for _, j := range jobs {
		if epoch, ok := epochs[j.In.shard]; !ok || epoch != j.In.epoch {
			j.Err = store.ErrConflict
			continue
		}
		c, sc := j.In.cursor, j.In.shard.Scope
		p.exec(advance, micros(c.Since), int64(c.Overlap), sc.Org, sc.Project, sc.Domain, j.In.shard.Index)
	}
	return p.run(ctx, tx)
}

// heldShard is a shard with the epoch of its tenure.
type heldShard struct {
	shard flyte.Shard
	epoch int64
}

func scanHeld(row pgx.Row) (h heldShard, err error) {
	sc := &h.shard.Scope
	err = row.Scan(&sc.Org, &sc.Project, &sc.Domain, &h.shard.Index, &h.shard.Of, &h.epoch)
	return h, err
}
