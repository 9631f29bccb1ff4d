package flyte

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// poller polls one shard for a feed. Only its stats are shared between goroutines.
type poller struct {
	*Feed
	shard  Shard
	tenure Tenure
	clock  wallClock

	since    time.Time // start of the last whole round; zero before the first
	overlap  time.Duration
	saved    Cursor // the last that was recorded
	savedAt  time.Time
	blind    int    // whole rounds that shall yet read without time filter
	resume   string // name behind which the next round begins, after one that was given up
	names    int    // in the last whole round
	failures int    // reads that failed in a row
	sweeper  sweeper
	agreed   agreed

	statsMu sync.Mutex
	stats   ShardStats
}

func newPoller(f *Feed, s Shard, t Tenure) *poller {
	overlap := max(f.cfg.Overlap, min(t.Cursor.Overlap, f.cfg.Sweep))
	return &poller{
		Feed: f, shard: s, tenure: t, clock: wallClock{now: f.cfg.Clock},
		since: t.Cursor.Since, overlap: overlap, saved: t.Cursor,
		stats: ShardStats{Shard: s, Overlap: overlap},
	}
}

// round reads every name once, and the sweep's share. Its only error is ErrFenced.
func (p *poller) round(ctx context.Context) error {
	whole, err := p.pass(ctx)
	if p.failures == 0 && ctx.Err() == nil {
		// A failing sink must not stop the sweep: the other names need it.
		if sweepErr := p.sweep(ctx); err == nil {
			err = sweepErr
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if saveErr := p.save(ctx); errors.Is(saveErr, ErrFenced) {
		return fmt.Errorf("follow %s: %w", p.shard, saveErr)
	} else if err == nil {
		err = saveErr
	}
	if whole || err != nil {
		p.note(ctx, err)
	}
	return nil
}

// save records the cursor for who polls the shard next.
func (p *poller) save(ctx context.Context) error {
	c := Cursor{Since: p.since, Overlap: p.overlap}
	switch {
	case c.Since.IsZero(), c == p.saved:
		return nil
	case c.Overlap == p.saved.Overlap && time.Since(p.savedAt) < advanceEvery && !p.saved.Since.IsZero():
		return nil
	}
	if err := p.tenure.Advance(ctx, c); err != nil {
		return fmt.Errorf("record what was taken: %w", err)
	}
	p.saved, p.savedAt = c, time.Now()
	return nil
}

// pass reads all names, page by page. It moves the time on only when it read them all and the
// sink took every row. The first failed read ends it, and the next pass goes on behind that page,
// so that one bad page starves no other: such a pass is not whole.
func (p *poller) pass(ctx context.Context) (whole bool, err error) {
	start, since, by := p.filter(ctx)
	p.agreed.begin()
	src := p.pagesBehind(p.resume)
	defer func() { src.close() }()
	whole, p.resume = p.resume == "", ""
	var failed error
	for last := false; !last; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		g := src.next(ctx)
		if g.err != nil {
			p.resume = src.given
			return false, g.err
		}
		if len(g.names) == 0 && !whole && src.seen == 0 {
			src, whole = p.pagesBehind(""), true // the page that failed was the last
			continue
		}
		if last = g.last; len(g.names) == 0 {
			break
		}
		rows, err := p.read(ctx, g.names, since)
		if err != nil {
			p.resume = src.given
			return false, err
		}
		if err := p.take(ctx, rows, by); err != nil {
			failed = err
		}
	}
	if failed == nil && whole {
		p.since, p.names, p.failures, p.blind = start, src.seen, 0, max(0, p.blind-1)
		p.count(func(s *ShardStats) { s.Names, s.LastSuccess = src.seen, time.Now() })
	}
	return whole, failed
}

// batch is how many names a call takes: more in a large shard, where the number of calls counts.
func (p *poller) batch(seen int) int {
	if max(p.names, seen) > largeShard {
		return max(largeBatch, p.cfg.Batch)
	}
	return p.cfg.Batch
}

// read makes the call. An answer that is too large is asked for in halves.
func (p *poller) read(ctx context.Context, names []string, since time.Time) ([]Row, error) {
	rows, err := p.list(ctx, names, since)
	if err == nil || len(names) == 1 || !tooLarge(err) {
		return rows, err
	}
	half := len(names) / 2
	first, err := p.read(ctx, names[:half], since)
	if err != nil {
		return nil, err
	}
	rest, err := p.read(ctx, names[half:], since)
	return append(first, rest...), err
}

// tooLarge tells an answer beyond the message limit from flyteadmin's rate limit, which has the
// same code.
func tooLarge(err error) bool {
	return status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max")
}

func (p *poller) list(ctx context.Context, names []string, since time.Time) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := p.lister.List(ctx, p.shard.Scope, names, since)
	if err != nil {
		p.failures++
	} else {
		p.failures = 0
	}
	p.count(func(s *ShardStats) {
		s.Calls++
		s.Rows += int64(len(rows))
		if err != nil {
			s.Errors++
		}
	})
	return rows, err
}

func (p *poller) give(ctx context.Context, rows []Row, by Look) (news int, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	news, err = p.sink.Rows(ctx, p.shard.Scope, rows, by)
	if err != nil {
		return news, fmt.Errorf("take changes of %s: %w", p.shard, err)
	}
	return news, nil
}

// pause is how long to wait after a round: to the next interval, or, while reads fail, longer
// each time. A round longer than the interval leaves flyteadmin a moment before the next.
func (p *poller) pause(took time.Duration) time.Duration {
	interval := p.cfg.Interval
	if p.failures == 0 {
		return max(interval-took, interval/10)
	}
	most := max(maxBackOff, interval)
	d := most
	if doublings := p.failures - 1; doublings < 16 && interval<<doublings < most {
		d = interval << doublings
	}
	return min(most, time.Duration(float64(d)*(0.75+rand.Float64()/2))) //nolint:gosec // jitter is no secret
}

// note records how the round went, and logs where trouble begins and ends.
func (p *poller) note(ctx context.Context, err error) {
	var began, ended bool
	p.count(func(s *ShardStats) {
		began = err != nil && s.FailingSince.IsZero()
		ended = err == nil && !s.FailingSince.IsZero()
		switch {
		case err == nil:
			s.FailingSince, s.LastError = time.Time{}, ""
		case began:
			s.FailingSince = time.Now()
			fallthrough
		default:
			s.LastError = err.Error()
		}
	})
	switch {
	case began:
		p.log.WarnContext(ctx, "changes cannot be followed", "shard", p.shard.String(), "error", err)
	case ended:
		p.log.InfoContext(ctx, "changes are followed again", "shard", p.shard.String())
	}
}

func (p *poller) count(f func(*ShardStats)) {
	p.statsMu.Lock()
	defer p.statsMu.Unlock()
	f(&p.stats)
}

func (p *poller) snapshot() ShardStats {
	p.statsMu.Lock()
	defer p.statsMu.Unlock()
	return p.stats
}
