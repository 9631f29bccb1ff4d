package flyte

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// poller polls one scope for a feed. Only its stats are shared between goroutines.
type poller struct {
	*Feed
	scope Scope

	since    time.Time // start of the last whole round; zero before the first
	overlap  time.Duration
	resume   string // name behind which the next round begins, after one that was given up
	names    int    // in the last whole round
	failures int    // reads that failed in a row
	sweeper  sweeper

	statsMu sync.Mutex
	stats   ScopeStats
}

func newPoller(f *Feed, s Scope) *poller {
	return &poller{Feed: f, scope: s, overlap: f.cfg.Overlap, stats: ScopeStats{Scope: s, Overlap: f.cfg.Overlap}}
}

// round reads every name once, and the sweep's share.
func (p *poller) round(ctx context.Context) {
	whole, err := p.pass(ctx)
	if p.failures == 0 && ctx.Err() == nil {
		// A failing sink must not stop the sweep: the other names need it.
		if sweepErr := p.sweep(ctx); err == nil {
			err = sweepErr
		}
	}
	if ctx.Err() == nil && (whole || err != nil) {
		p.note(ctx, err)
	}
}

// pass reads all names, page by page. It moves the time on only when it read them all and the
// sink took every row. The first failed read ends it, and the next pass goes on behind that page,
// so that one bad page starves no other: such a pass is not whole.
func (p *poller) pass(ctx context.Context) (whole bool, err error) {
	start, since, by := time.Now(), time.Time{}, ByStart
	if !p.since.IsZero() {
		since, by = p.since.Add(-p.overlap), ByTime
	}
	after := p.resume
	whole, p.resume = after == "", ""
	var failed error
	n := 0
	for {
		batch := p.batch(n)
		names, err := p.source.Names(ctx, p.scope, after, batch)
		if err != nil {
			p.resume = after
			return false, fmt.Errorf("read names to poll: %w", err)
		}
		if len(names) == 0 && !whole && n == 0 {
			after, whole = "", true // the page that failed was the last
			continue
		}
		if len(names) == 0 {
			break
		}
		after = names[len(names)-1]
		rows, err := p.read(ctx, names, since)
		if err != nil {
			p.resume = after
			return false, err
		}
		if _, err := p.give(ctx, rows, by); err != nil {
			failed = err
		}
		if n += len(names); len(names) < batch {
			break
		}
	}
	if failed == nil && whole {
		p.since, p.names, p.failures = start, n, 0
		p.count(func(s *ScopeStats) { s.Names, s.LastSuccess = n, time.Now() })
	}
	return whole, failed
}

// batch is how many names a call takes: more in a large scope, where the number of calls counts.
func (p *poller) batch(seen int) int {
	if max(p.names, seen) > largeScope {
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
	rows, err := p.lister.List(ctx, p.scope, names, since)
	if err != nil {
		p.failures++
	} else {
		p.failures = 0
	}
	p.count(func(s *ScopeStats) {
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
	news, err = p.sink.Rows(ctx, p.scope, rows, by)
	if err != nil {
		return news, fmt.Errorf("take changes of %s: %w", p.scope, err)
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
	p.count(func(s *ScopeStats) {
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
		p.log.WarnContext(ctx, "changes cannot be followed", "scope", p.scope.String(), "error", err)
	case ended:
		p.log.InfoContext(ctx, "changes are followed again", "scope", p.scope.String())
	}
}

func (p *poller) count(f func(*ScopeStats)) {
	p.statsMu.Lock()
	defer p.statsMu.Unlock()
	f(&p.stats)
}

func (p *poller) snapshot() ScopeStats {
	p.statsMu.Lock()
	defer p.statsMu.Unlock()
	return p.stats
}
