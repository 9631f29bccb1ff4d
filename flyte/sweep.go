package flyte

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// sweeper is where a poller's sweep is.
type sweeper struct {
	after string    // name behind which the next page begins
	due   time.Time // when that page is to be read; zero before the first
}

// sweep reads the pages that are due: so many that each name comes once a period, evenly spread.
// A page that fails is left to the next period; what an outage hid is found by time, since the
// time does not move on while rounds fail.
func (p *poller) sweep(ctx context.Context) error {
	if p.since.IsZero() || p.names == 0 {
		return nil // the rounds themselves still read everything, or nothing is there
	}
	now, finds := time.Now(), 0
	step := p.sweepStep()
	if p.sweeper.due.IsZero() {
		p.sweeper.due = now.Add(step)
	}
	if p.sweeper.due.Before(now.Add(-step - p.cfg.Interval)) {
		p.sweeper.due = now // late by an outage: no burst
	}
	var failed error
	for !p.sweeper.due.After(now) && failed == nil && ctx.Err() == nil {
		p.sweeper.due = p.sweeper.due.Add(step)
		var n int
		n, failed = p.sweepPage(ctx)
		finds += n
	}
	if finds > 0 {
		p.widen(ctx, finds)
	}
	return failed
}

// sweepStep is the time between two pages.
func (p *poller) sweepStep() time.Duration {
	batch := p.batch(0)
	pages := max(1, (p.names+batch-1)/batch)
	return max(1, p.cfg.Sweep/time.Duration(pages))
}

// sweepPage reads one page and returns how much of it no read by time could have told. The names
// are read without time filter, and after that with it: what changed a moment ago is in both, and
// no find of the sweep.
func (p *poller) sweepPage(ctx context.Context) (finds int, err error) {
	batch := p.batch(0)
	names, err := p.source.Names(ctx, p.shard, p.sweeper.after, batch)
	if err != nil {
		return 0, fmt.Errorf("read names to sweep: %w", err)
	}
	p.sweeper.after = ""
	if len(names) == batch {
		p.sweeper.after = names[batch-1]
	}
	if len(names) == 0 {
		return 0, nil
	}
	all, err := p.read(ctx, names, time.Time{})
	if err != nil {
		return 0, err
	}
	recent, err := p.read(ctx, names, p.recent(p.clock.now()))
	if err != nil {
		return 0, err
	}
	if _, err := p.give(ctx, recent, ByTime); err != nil {
		return 0, err
	}
	known := make(map[string]bool, len(recent))
	for _, r := range recent {
		known[r.Name] = true
	}
	old := slices.DeleteFunc(all, func(r Row) bool { return known[r.Name] })
	return p.give(ctx, old, BySweep)
}

// widen doubles the overlap: rows become visible later, or flyteadmin's clock is further behind
// ours, than the overlap allowed for.
func (p *poller) widen(ctx context.Context, finds int) {
	p.overlap = min(2*p.overlap, max(p.cfg.Sweep, p.overlap))
	p.count(func(s *ShardStats) {
		s.SweepFinds += int64(finds)
		s.Overlap = p.overlap
	})
	p.log.WarnContext(ctx, "the sweep found changes that polling by time had missed; flyteadmin's clock and ours may differ",
		"shard", p.shard.String(), "changes", finds, "overlap", p.overlap)
}
