package executor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/memo"
	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
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
	// Gates returns what a running execution waits for.
	Gates(ctx context.Context, id flyte.ExecutionID) ([]flyte.Gate, error)
	// RunningNodes returns an execution's running nodes, with their limits.
	RunningNodes(ctx context.Context, x flyte.Execution) ([]flyte.Node, error)
	// Attempt adds to a running node when its latest attempt began.
	Attempt(ctx context.Context, id flyte.ExecutionID, node flyte.Node) (flyte.Node, error)
	// Discover returns the executions of a scope that were created in a time; whole: they are all.
	Discover(ctx context.Context, s flyte.Scope, from, to time.Time, limit int) (found []flyte.Execution, whole bool, err error)
	// Succeeded returns executions of a launch plan that flyteadmin wrote of since, and that have succeeded.
	Succeeded(ctx context.Context, s flyte.Scope, launchPlan string, since time.Time) ([]flyte.Execution, error)
	// Projects returns the projects there are.
	Projects(ctx context.Context) ([]flyte.Project, error)
}

// Store is what the executor needs of a store.
type Store interface {
	store.Feed
	store.Shards
	store.Notes
	store.Bundles
	// Register and Watch are store.Registry's.
	Register(ctx context.Context, w store.Watch) (store.Watch, error)
	Watch(ctx context.Context, id string) (store.Watch, error)
}

// Config paces the watching.
type Config struct {
	Feed         flyte.FeedConfig
	ShardNames   int           // names beyond which a scope gets more shards; default 50,000
	NodeInterval time.Duration // between looks at a watched node
	NodeCalls    float64       // looks at nodes a second of all servers together, at most
	Discovery    time.Duration // between looks for new executions in a scope that is quiet, at most
}

// NotifierExecutor follows the watches of a store. It is the NotifierExecutor of the Flytekit
// RFC "Notification System".
type NotifierExecutor struct {
	store       Store
	admin       Admin
	registry    *notifier.Registry
	cfg         Config
	log         *slog.Logger
	metrics     *metrics
	tracer      trace.Tracer
	feed        *flyte.Feed
	specs       *memo.Memo[document]
	nodeCalls   *rate.Limiter
	follow      chan store.Watch // watches that were registered here
	send        chan store.Watch // sends that were registered here
	outcomes    *outcomes
	delivered   func(made []store.Delivery)
	silenced    func(context.Context, store.Delivery) bool
	holding     atomic.Pointer[holding]
	held        chan struct{} // closed once something was held, or there was nothing
	heldOnce    sync.Once
	pauses      pauses
	clock       *alarm                // of timers
	bundleClock *alarm                // of what is held
	subscribing sync.Mutex            // held while they are taken up
	wanted      atomic.Pointer[Rules] // by Subscribe or Resubscribe
	taken       *Rules                // that were taken up last; subscribing guards it
	quietHours  atomic.Pointer[map[string]*spec.Quiet]
	rewanted    chan struct{}
	subscribed  atomic.Pointer[[]subscription]
	discovering atomic.Pointer[map[flyte.Scope]time.Time] // scopes of subscriptions
	series      locks
	inside      sync.Map // by watch: what its execution's inside was when its rules were judged by it
	sending     sync.Map // ids of the sends that are being made
	sendSlots   chan struct{}
	sendGroup   sync.WaitGroup
}

const (
	factsTimeout = 10 * time.Second // of one read of facts
	sendFacts    = time.Second      // facts may delay a send by so much at most
	lostAfter    = 30 * time.Second // between the first NotFound and the last
	freshBatch   = 4_000            // fresh watches in memory at once
	wokenBatch   = 4_000            // registered here and not looked at yet; more are left to the fresh ones
	sendsAtOnce  = 4_000
	readers      = 16  // concurrent reads of facts
	writers      = 256 // concurrent writes of first phases: the store takes them together
	specsKept    = 256
)

// Options are what a NotifierExecutor is made of. All are required but Tracer, Delivered and Silenced.
type Options struct {
	Store     Store
	Admin     Admin
	Registry  *notifier.Registry
	Config    Config
	Metrics   Registerer
	Tracer    trace.TracerProvider // nil: nothing is traced
	Log       *slog.Logger
	Delivered func(made []store.Delivery) // called after deliveries were stored, or released (then without any); must not block
	// Silenced says whether a delivery would be held back by a silence now; nil: none is.
	Silenced func(ctx context.Context, d store.Delivery) bool
}

// New returns an executor that does nothing until Run.
func New(o Options) *NotifierExecutor {
	n := &NotifierExecutor{
		store: o.Store, admin: o.Admin, registry: o.Registry, cfg: o.Config, log: o.Log,
		metrics: newMetrics(o.Metrics),
		clock:   newAlarm(), bundleClock: newAlarm(), silenced: o.Silenced,
		tracer:    tracing.Tracer(o.Tracer),
		nodeCalls: rate.NewLimiter(rate.Limit(o.Config.NodeCalls), max(1, int(o.Config.NodeCalls))),
		follow:    make(chan store.Watch, wokenBatch), send: make(chan store.Watch, wokenBatch),
		outcomes: newOutcomes(),
		specs:    memo.New(specsKept, readSpec),
		held:     make(chan struct{}), sendSlots: make(chan struct{}, sendsAtOnce), delivered: o.Delivered,
	}
	n.rewanted = make(chan struct{}, 1)
	n.cfg.ShardNames = cmp.Or(n.cfg.ShardNames, 50_000)
	n.holding.Store(newHolding(nil))
	if n.silenced == nil {
		n.silenced = func(context.Context, store.Delivery) bool { return false }
	}
	if n.delivered == nil {
		n.delivered = func([]store.Delivery) {}
	}
	n.feed = flyte.NewFeed(o.Admin, source{n}, sink{n}, o.Config.Feed, o.Log)
	return n
}

// Wake tells that a watch was registered through this server, as it was stored: this server looks at
// it at once. It never blocks.
func (n *NotifierExecutor) Wake(w store.Watch) {
	if w.State != store.Active || w.Phase != "" {
		return
	}
	woken := n.follow
	if w.Kind == store.Send {
		woken = n.send
	}
	select {
	case woken <- w:
	default: // a later look at the store finds it
	}
}

// Run follows executions until ctx ends, and returns nil then. A failing store or flyteadmin is
// logged and tried again.
func (n *NotifierExecutor) Run(ctx context.Context) error {
	interval := n.cfg.Feed.Interval
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.share(ctx) })
	g.Go(func() error { return n.wokenLooks(ctx) })
	g.Go(func() error { return n.onceHeld(ctx, interval, n.firstLooks) })
	g.Go(func() error { return n.wokenSends(ctx) })
	g.Go(func() error { return n.every(ctx, interval, n.sends) })
	g.Go(func() error { return n.onceHeld(ctx, n.cfg.NodeInterval, n.nodes) })
	g.Go(func() error { return n.onceHeld(ctx, n.cfg.NodeInterval, n.looks) })
	g.Go(func() error { return n.timers(ctx) })
	g.Go(func() error { return n.whenDue(ctx, n.bundleClock, n.releases) })
	g.Go(func() error { return n.fallbacks(ctx) })
	g.Go(func() error { return n.resubscribes(ctx) })
	g.Go(func() error { return newDiscoverer(n).run(ctx) })
	err := g.Wait()
	n.sendGroup.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// onceHeld is every, from the time on that it is known what this server holds.
func (n *NotifierExecutor) onceHeld(ctx context.Context, d time.Duration, task func(context.Context) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.held:
		return n.every(ctx, d, task)
	}
}

// every runs a task now and at each interval, or a little before: servers that share a store must not
// do the same at the same time for long.
func (n *NotifierExecutor) every(ctx context.Context, d time.Duration, task func(context.Context) error) error {
	for {
		next := time.Now().Add(d - rand.N(d/8+1)) //nolint:gosec // jitter is no secret
		if err := task(ctx); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "watching is held up", "error", err)
		}
		if err := sleep(ctx, time.Until(next)); err != nil {
			return err
		}
	}
}

// sleep waits, or returns the context's error once that ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Stats is what the feeds have done so far, for metrics and readiness.
func (n *NotifierExecutor) Stats() flyte.FeedStats { return n.feed.Stats() }

// source gives the feed the names to poll.
type source struct{ n *NotifierExecutor }

// Names are those of active watches, and of watches that ended less than one sweep ago: a phase
// that goes back reopens them.
func (s source) Names(ctx context.Context, shard flyte.Shard, after string, limit int) ([]string, error) {
	return s.n.store.Names(ctx, shard, s.n.graceStart(), after, limit)
}

func (n *NotifierExecutor) graceStart() time.Time { return time.Now().Add(-n.cfg.Feed.Sweep) }
