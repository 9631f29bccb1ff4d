package flyte

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Lister is the one call that a feed makes: Client.List.
type Lister interface {
	List(ctx context.Context, s Scope, names []string, since time.Time) ([]Row, error)
}

// Source gives a feed the names to poll.
type Source interface {
	// Names returns at most limit names of the shard, behind the given one in the source's order;
	// none when there are no more.
	Names(ctx context.Context, s Shard, after string, limit int) ([]string, error)
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
	ByStart             // everything: nothing was taken before, or a clock was set
	BySweep             // what a read by time could no longer find
)

// ErrFenced is what Advance returns for a tenure that is over.
var ErrFenced = errors.New("another server took the shard over")

// Tenure is the right to follow a shard, and where its last holder came to.
type Tenure struct {
	Cursor Cursor
	// Advance records a later cursor. After ErrFenced the tenure is over; after another error the
	// feed goes on, and records a later one.
	Advance func(ctx context.Context, c Cursor) error
}

// FeedConfig says how often a feed reads. Where a default is named, zero takes it.
type FeedConfig struct {
	Interval time.Duration    // between rounds; default 2s
	Sweep    time.Duration    // in which every name is read once without time filter; default 5m
	Overlap  time.Duration    // how far a round reads back behind the start of the one before; 0: not at all
	Batch    int              // names a call, until a shard is large; default 100
	Clock    func() time.Time // the wall clock; default time.Now
}

const (
	readTimeout  = 10 * time.Second // of one call
	maxBackOff   = 10 * time.Second // long enough to spare an ailing flyteadmin, short enough to be soon back
	advanceEvery = 5 * time.Second  // a cursor that lags by so much costs the next holder some rows, each write a commit
	largeShard   = 2_000            // names beyond which a call takes largeBatch of them
	largeBatch   = 500
)

// Feed polls shards for changed executions. A round reads every name with a time filter, so that
// only what flyteadmin wrote lately comes back; it reads again what the last whole round may have
// missed by the overlap. A sweep without time filter, spread evenly over its period, finds what
// became visible later than that, and then doubles the shard's overlap.
type Feed struct {
	lister Lister
	source Source
	sink   Sink
	cfg    FeedConfig
	log    *slog.Logger

	mu      sync.Mutex
	pollers map[*poller]bool
	past    FeedStats // what pollers that ended had done
}

// NewFeed returns a feed that polls nothing until Run.
func NewFeed(l Lister, source Source, sink Sink, cfg FeedConfig, log *slog.Logger) *Feed {
	cfg.Interval = cmp.Or(cfg.Interval, 2*time.Second)
	cfg.Sweep = cmp.Or(cfg.Sweep, 5*time.Minute)
	cfg.Batch = cmp.Or(cfg.Batch, 100)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Feed{lister: l, source: source, sink: sink, cfg: cfg, log: log, pollers: map[*poller]bool{}}
}

// Run polls one shard until ctx ends, and returns nil then; or until the tenure is over, and returns
// ErrFenced. It may run for many shards at once. Where a shard has two holders for a moment, both
// tell the sink the same.
func (f *Feed) Run(ctx context.Context, s Shard, t Tenure) error {
	p := newPoller(f, s, t)
	f.add(p)
	defer f.remove(p)
	for ctx.Err() == nil {
		start := time.Now()
		if err := p.round(ctx); err != nil {
			return err
		}
		pause := time.NewTimer(p.pause(time.Since(start)))
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
		}
	}
	return nil
}
