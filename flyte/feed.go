package flyte

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Lister is the one call that a feed makes: Client.List.
type Lister interface {
	List(ctx context.Context, s Scope, names []string, since time.Time) ([]Row, error)
}

// Source gives a feed the names to poll.
type Source interface {
	// Names returns at most limit names of the scope, ascending, after the given one; none when
	// there are no more.
	Names(ctx context.Context, s Scope, after string, limit int) ([]string, error)
}

// Sink takes what a feed read.
type Sink interface {
	// Rows takes rows that one read returned. The same rows come again and again: it must be
	// idempotent. It returns how many of them were news, a phase that it had not recorded. After
	// an error the rows come again.
	Rows(ctx context.Context, s Scope, rows []Row, by Look) (news int, err error)
}

// Look says which read found a row.
type Look int

// The reads of a feed.
const (
	ByTime  Look = iota // what flyteadmin wrote since the last round
	ByStart             // everything: the first round after the start
	BySweep             // what a read by time could no longer find
)

// FeedConfig says how often a feed reads. Where a default is named, zero takes it.
type FeedConfig struct {
	Interval time.Duration // between rounds; default 2s
	Sweep    time.Duration // in which every name is read once without time filter; default 5m
	Overlap  time.Duration // how far a round reads back behind the start of the one before; 0: not at all
	Batch    int           // names a call, until a scope is large; default 100
}

const (
	readTimeout = 10 * time.Second // of one call
	maxBackOff  = 10 * time.Second // long enough to spare an ailing flyteadmin, short enough to be soon back
	largeScope  = 20_000           // names beyond which a call takes largeBatch of them
	largeBatch  = 500
)

// Feed polls scopes for changed executions. A round reads every name with a time filter, so that
// only what flyteadmin wrote lately comes back; it reads again what the last whole round may have
// missed by the overlap. A sweep without time filter, spread evenly over its period, finds what
// became visible later than that, and then doubles the scope's overlap.
type Feed struct {
	lister Lister
	source Source
	sink   Sink
	cfg    FeedConfig
	log    *slog.Logger

	mu      sync.Mutex
	pollers map[Scope]*poller
}

// NewFeed returns a feed that polls nothing until Run.
func NewFeed(l Lister, source Source, sink Sink, cfg FeedConfig, log *slog.Logger) *Feed {
	cfg.Interval = cmp.Or(cfg.Interval, 2*time.Second)
	cfg.Sweep = cmp.Or(cfg.Sweep, 5*time.Minute)
	cfg.Batch = cmp.Or(cfg.Batch, 100)
	return &Feed{lister: l, source: source, sink: sink, cfg: cfg, log: log, pollers: map[Scope]*poller{}}
}

// Run polls one scope until ctx ends, and returns nil then. It may run for many scopes at once,
// and once for each.
func (f *Feed) Run(ctx context.Context, s Scope) error {
	p := f.add(s)
	for ctx.Err() == nil {
		start := time.Now()
		p.round(ctx)
		pause := time.NewTimer(p.pause(time.Since(start)))
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
		}
	}
	return nil
}

func (f *Feed) add(s Scope) *poller {
	p := newPoller(f, s)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pollers[s] = p
	return p
}

// FeedStats is what a feed has done since it was made.
type FeedStats struct {
	Calls      int64 // list calls
	Errors     int64 // of those calls
	Rows       int64 // rows that came back
	SweepFinds int64 // news that only the sweep found
	// FailingSince is since when the scope that fails longest has failed; zero if none does.
	FailingSince time.Time
	Scopes       []ScopeStats // sorted by scope
}

// ScopeStats is what a feed has done in one scope.
type ScopeStats struct {
	Scope        Scope
	Names        int   // names in the last whole round
	Calls        int64 // as in FeedStats
	Errors       int64
	Rows         int64
	SweepFinds   int64
	Overlap      time.Duration // as it is now
	LastSuccess  time.Time     // end of the last whole round; zero before the first
	FailingSince time.Time     // when flyteadmin, the source or the sink began to fail; zero while all is well
	LastError    string        // why, while it fails
}

// Stats returns what the feed has done so far.
func (f *Feed) Stats() FeedStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all FeedStats
	for _, p := range f.pollers {
		s := p.snapshot()
		all.Calls += s.Calls
		all.Errors += s.Errors
		all.Rows += s.Rows
		all.SweepFinds += s.SweepFinds
		if !s.FailingSince.IsZero() && (all.FailingSince.IsZero() || s.FailingSince.Before(all.FailingSince)) {
			all.FailingSince = s.FailingSince
		}
		all.Scopes = append(all.Scopes, s)
	}
	slices.SortFunc(all.Scopes, func(a, b ScopeStats) int {
		return cmp.Or(cmp.Compare(a.Scope.Org, b.Scope.Org), cmp.Compare(a.Scope.String(), b.Scope.String()))
	})
	return all
}
