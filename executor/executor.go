package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Admin is what the executor asks flyteadmin. Calls may fail, hang until their context ends, or
// answer with what was true a moment ago.
type Admin interface {
	flyte.Lister
	// Execution returns the facts, or flyte.ErrNotFound.
	Execution(ctx context.Context, id flyte.ExecutionID) (flyte.Execution, error)
	// Node returns a node's facts, or flyte.ErrNotFound while it has not started.
	Node(ctx context.Context, id flyte.ExecutionID, node string) (flyte.Node, error)
	// FailedNode names the node that failed, or returns "".
	FailedNode(ctx context.Context, id flyte.ExecutionID) (string, error)
}

// Store is what the executor needs of a store.
type Store interface {
	store.Feed
	store.Shards
}

// Config paces the watching.
type Config struct {
	Feed         flyte.FeedConfig
	NodeInterval time.Duration // between looks at a watched node
	NodeCalls    float64       // looks at nodes a second, at most
}

// NotifierExecutor follows the watches of a store. It is the NotifierExecutor of the Flytekit
// RFC "Notification System".
type NotifierExecutor struct {
	store     Store
	admin     Admin
	registry  *notifier.Registry
	cfg       Config
	log       *slog.Logger
	metrics   *metrics
	tracer    trace.Tracer
	feed      *flyte.Feed
	nodeCalls *rate.Limiter
	follow    chan struct{} // a watch was registered
	send      chan struct{} // a send was registered
	delivered func()        // deliveries were inserted
	pauses    pauses
	sending   sync.Map // ids of the sends that are being made
	sendGroup sync.WaitGroup
}

const (
	factsTimeout = 10 * time.Second // of one read of facts
	sendFacts    = time.Second      // facts may delay a send by so much at most
	lostAfter    = 30 * time.Second // between the first NotFound and the last
	freshBatch   = 10_000
	readers      = 16 // concurrent reads of facts
)

// Options are what a NotifierExecutor is made of. All are required but Tracer and Delivered.
type Options struct {
	Store     Store
	Admin     Admin
	Registry  *notifier.Registry
	Config    Config
	Metrics   Registerer
	Tracer    trace.TracerProvider // nil: nothing is traced
	Log       *slog.Logger
	Delivered func() // called after deliveries were inserted; must not block
}

// New returns an executor that does nothing until Run.
func New(o Options) *NotifierExecutor {
	n := &NotifierExecutor{
		store: o.Store, admin: o.Admin, registry: o.Registry, cfg: o.Config, log: o.Log,
		metrics:   newMetrics(o.Metrics),
		tracer:    tracing.Tracer(o.Tracer),
		nodeCalls: rate.NewLimiter(rate.Limit(o.Config.NodeCalls), max(1, int(o.Config.NodeCalls))),
		follow:    make(chan struct{}, 1), send: make(chan struct{}, 1), delivered: o.Delivered,
	}
	if n.delivered == nil {
		n.delivered = func() {}
	}
	n.feed = flyte.NewFeed(o.Admin, source{n}, sink{n}, o.Config.Feed, o.Log)
	return n
}

// Wake tells that a watch of this kind was registered. It never blocks.
func (n *NotifierExecutor) Wake(k store.Kind) {
	ch := n.follow
	if k == store.Send {
		ch = n.send
	}
	select {
	case ch <- struct{}{}:
	default: // it is awake already
	}
}

// Run follows executions until ctx ends, and returns nil then. A failing store or flyteadmin is
// logged and tried again.
func (n *NotifierExecutor) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.followScopes(ctx) })
	g.Go(func() error { return n.every(ctx, n.cfg.Feed.Interval, n.follow, n.firstLooks) })
	g.Go(func() error { return n.every(ctx, n.cfg.Feed.Interval, n.send, n.sends) })
	g.Go(func() error { return n.every(ctx, n.cfg.NodeInterval, nil, n.nodes) })
	err := g.Wait()
	n.sendGroup.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// every runs a task now, at each interval and whenever it is woken.
func (n *NotifierExecutor) every(ctx context.Context, d time.Duration, wake <-chan struct{}, task func(context.Context) error) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "watching is held up", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-wake:
		}
	}
}

// followScopes runs one feed for each scope that holds watches.
func (n *NotifierExecutor) followScopes(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	running := map[flyte.Scope]bool{}
	look := func(ctx context.Context) error {
		shards, err := n.store.Shards(ctx)
		if err != nil {
			return fmt.Errorf("find scopes: %w", err)
		}
		for _, shard := range shards {
			if s := shard.Scope; !running[s] {
				running[s] = true
				g.Go(func() error { return n.feed.Run(ctx, s) })
			}
		}
		return nil
	}
	g.Go(func() error { return n.every(ctx, n.cfg.Feed.Interval, nil, look) })
	return g.Wait()
}

// Stats is what the feeds have done so far, for metrics and readiness.
func (n *NotifierExecutor) Stats() flyte.FeedStats { return n.feed.Stats() }

// source gives the feed the names to poll.
type source struct{ n *NotifierExecutor }

// Names are those of active watches, and of watches that ended less than one sweep ago: a phase
// that goes back reopens them.
func (s source) Names(ctx context.Context, scope flyte.Scope, after string, limit int) ([]string, error) {
	return s.n.store.Names(ctx, flyte.Shard{Scope: scope, Of: 1}, s.n.graceStart(), after, limit)
}

func (n *NotifierExecutor) graceStart() time.Time { return time.Now().Add(-n.cfg.Feed.Sweep) }
