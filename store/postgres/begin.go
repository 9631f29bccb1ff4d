package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/gcra"
)

// beginning is one call of Begin.
type beginning struct {
	id       string
	attempts int
	now      time.Time
	rates    []store.Rate
	wait     time.Duration
}

// Begin is store.Outbox's. An unknown delivery is store.ErrNotFound.
func (s *Store) Begin(ctx context.Context, id string, attempts int, now time.Time, rates []store.Rate) (time.Duration, error) {
	b := &beginning{id: clean(id), attempts: attempts, now: s.clock.theirs(now), rates: slices.Clone(rates)}
	for i := range b.rates {
		b.rates[i].Bucket = clean(b.rates[i].Bucket)
	}
	if err := s.begins.Do(ctx, b); err != nil {
		return 0, fmt.Errorf("begin delivery %s: %w", id, err)
	}
	return b.wait, nil
}

// runBegin locks deliveries and buckets, and gives out the tokens one call after the other.
func (s *Store) runBegin(ctx context.Context, tx pgx.Tx, jobs []*job[*beginning]) error {
	ids, names := make([]string, 0, len(jobs)), []string{}
	for _, j := range jobs {
		ids = append(ids, j.In.id)
		for _, r := range j.In.rates {
			if r.PerSecond > 0 {
				names = append(names, r.Bucket)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var standings []standing
	var holds []hold
	var found []bucketRow
	var p pipeline
	into(&p, &standings, scanStanding, lockDeliveries, ids)
	into(&p, &holds, scanHold, `SELECT h.connection, h.address, h.until FROM flyte_notifier.holds h
		WHERE (h.connection, h.address) IN (SELECT d.connection, d.address FROM flyte_notifier.deliveries d WHERE d.id = ANY($1))`, ids)
	if len(names) > 0 {
		into(&p, &found, scanBucket, lockBuckets, names)
	}
	if err := p.run(ctx, tx); err != nil {
		return err
	}
	buckets, err := addBuckets(ctx, tx, found, names)
	if err != nil {
		return err
	}
	b := begun{standings: byID(standings), holds: map[store.Lane]time.Time{}, buckets: buckets, taken: map[string]bool{}}
	for _, h := range holds {
		b.holds[h.lane] = h.until
	}
	for _, j := range jobs {
		j.In.wait, j.Err = b.begin(j.In)
	}
	return b.save(ctx, tx)
}

// begun is what a batch of Begins does.
type begun struct {
	standings map[string]*standing
	holds     map[store.Lane]time.Time
	buckets   map[string]int64
	taken     map[string]bool // buckets that changed
	seqs      []int64
	opened    []int64
}

func (b *begun) begin(in *beginning) (time.Duration, error) {
	d := b.standings[in.id]
	switch {
	case d == nil:
		return 0, store.ErrNotFound
	case d.state != store.Pending || d.attempts != in.attempts || d.opened != nil:
		return 0, store.ErrConflict
	}
	if wait := b.holds[store.Lane{Connection: d.connection, Address: d.address}].Sub(in.now); wait > 0 && wait <= store.MaxHold {
		return wait, nil
	}
	after, wait, err := gcra.Take(in.rates, in.now, func(name string) (int64, error) { return b.buckets[name], nil })
	if err != nil || wait > 0 {
		return wait, err
	}
	for name, full := range after {
		b.buckets[name], b.taken[name] = full, true
	}
	opened := in.now.UnixMicro()
	d.attempts, d.opened = d.attempts+1, &opened
	b.seqs, b.opened = append(b.seqs, d.seq), append(b.opened, opened)
	return 0, nil
}

func (b *begun) save(ctx context.Context, tx pgx.Tx) error {
	const open = `UPDATE flyte_notifier.deliveries d SET attempts = d.attempts + 1, opened_at = i.opened
		FROM unnest($1::bigint[], $2::bigint[]) AS i(seq, opened) WHERE d.seq = i.seq`
	const take = `UPDATE flyte_notifier.buckets b SET tat = i.tat
		FROM unnest($1::text[], $2::bigint[]) AS i(name, tat) WHERE b.name = i.name`
	var p pipeline
	if len(b.seqs) > 0 {
		p.exec(open, b.seqs, b.opened)
	}
	if len(b.taken) > 0 {
		names, tats := make([]string, 0, len(b.taken)), make([]int64, 0, len(b.taken))
		for name := range b.taken {
			names, tats = append(names, name), append(tats, b.buckets[name])
		}
		p.exec(take, names, tats)
	}
	return p.run(ctx, tx)
}

// bucketRow is a bucket's row.
type bucketRow struct {
	name string
	full int64
}

func scanBucket(row pgx.Row) (b bucketRow, err error) {
	err = row.Scan(&b.name, &b.full)
	return b, err
}

const lockBuckets = "SELECT name, tat FROM flyte_notifier.buckets WHERE name = ANY($1) ORDER BY name FOR NO KEY UPDATE"

// addBuckets makes those of the buckets that were not found, and locks them as well.
func addBuckets(ctx context.Context, tx pgx.Tx, found []bucketRow, names []string) (map[string]int64, error) {
	const add = `INSERT INTO flyte_notifier.buckets (name, tat) SELECT name, $2 FROM unnest($1::text[]) AS i(name) ORDER BY name
		ON CONFLICT (name) DO NOTHING`
	buckets := map[string]int64{}
	for {
		for _, b := range found {
			buckets[b.name] = b.full
		}
		names = slices.DeleteFunc(names, func(name string) bool { _, ok := buckets[name]; return ok })
		if len(names) == 0 {
			return buckets, nil
		}
		var p pipeline
		p.exec(add, names, int64(gcra.Full))
		into(&p, &found, scanBucket, lockBuckets, names)
		if err := p.run(ctx, tx); err != nil {
			return nil, err
		}
	}
}

// hold is a lane on hold.
type hold struct {
	lane  store.Lane
	until time.Time
}

func scanHold(row pgx.Row) (h hold, err error) {
	var until int64
	err = row.Scan(&h.lane.Connection, &h.lane.Address, &until)
	h.until = time.UnixMicro(until)
	return h, err
}
