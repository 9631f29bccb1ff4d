package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	pollInterval = time.Second     // how soon another process's redrive is seen
	stopGrace    = 8 * time.Second // for sends in flight when the outbox stops
	recordGrace  = time.Second     // for recording what the sends cut off after that came to
	settleEvery  = time.Second     // between tries to record an outcome
	maxMiss      = 2 * time.Second // between tries to get a token that others are after, too
)

// Config is the retry policy.
type Config struct {
	MaxAge      time.Duration // a delivery that fails when it is older is dead
	MaxAttempts int           // so many sends, then dead; 0 is no limit
	Timeout     time.Duration // of one send
}

// Store is what the outbox needs of a store.
type Store interface {
	Threads
	store.Outbox
	store.Names
	store.Notes // for silences
}

// Threads is what the outbox remembers of executions, see store.Notes and store.Bundles.
type Threads interface {
	Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error)
	Write(ctx context.Context, c store.Change) error
	DeliveriesOf(ctx context.Context, ids []string) ([]store.Delivery, error)
}

// Options are what an Outbox is made of. All are required but Tracer, Acknowledged and Settled. Connections and Config hold
// until Reload.
type Options struct {
	Store       Store
	Registry    *notifier.Registry
	Connections *notifier.Connections
	Config      Config
	Metrics     prometheus.Registerer
	Tracer      trace.TracerProvider // nil: nothing is traced
	Log         *slog.Logger

	// Acknowledged is told that somebody has acknowledged, in a service, what a reminder's execution told (see
	// notifier.Acknowledger): no more shall come of it. It may be told so again. nil: nobody is asked.
	Acknowledged func(ctx context.Context, reminder store.Delivery, by string) error

	// Settled is told of each delivery that was settled here, once that is stored. It must not block. A server that
	// is killed just then tells nobody, so it is no more than a hint. nil: nobody is told.
	Settled func(d store.Delivery)
}

// Outbox sends the deliveries of a store.
type Outbox struct {
	Options
	terms   atomic.Pointer[terms]
	queue   store.Queue // the store, if it is one; else nil
	metrics *metrics
	tracer  trace.Tracer
	wake    chan struct{}
	holds   holds
	slots   slots
	totals  totals
	strikes strikes
	asked   asked
	health  health

	silences *silences

	recovered time.Time // when what a killed process left was found; zero over a queue, which finds it much later

	mu    sync.Mutex
	lanes map[store.Lane]*lane // those with a worker
	busy  sync.WaitGroup
}

// New returns an outbox that sends nothing until Run.
func New(o Options) *Outbox {
	out := &Outbox{
		Options: o, metrics: newMetrics(o.Metrics, o.Registry), tracer: tracing.Tracer(o.Tracer),
		wake: make(chan struct{}, 1), lanes: map[store.Lane]*lane{}, silences: newSilences(),
	}
	out.queue, _ = o.Store.(store.Queue)
	out.health.outbox = out
	out.health.reset(o.Connections)
	out.terms.Store(newTerms(o.Connections, o.Config))
	return out
}

// Inserted tells that the executor stored deliveries: it counts those that were dead from the start, which no outbox
// settles, and wakes. It never blocks.
func (o *Outbox) Inserted(made []store.Delivery) {
	for _, d := range made {
		if d.State == store.Dead {
			o.metrics.settled(d.Kind, d.State)
		}
	}
	o.Wake()
}

// Wake tells that deliveries were inserted. It never blocks.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run sends until ctx ends. Then it starts nothing more, gives what is in flight stopGrace to
// finish, and returns nil. It must be the only one that runs on its store, unless that is a
// store.Queue.
func (o *Outbox) Run(ctx context.Context) error {
	u, end := during(ctx)
	defer end()
	if o.queue != nil {
		return o.work(ctx, u)
	}
	if err := o.recover(ctx); err != nil {
		return err
	}
	o.recovered = time.Now()
	for ctx.Err() == nil {
		pause, err := o.dispatch(u)
		if err != nil && ctx.Err() == nil {
			o.Log.WarnContext(ctx, "outbox is held up", "error", err)
		}
		o.sleep(ctx, pause)
	}
	o.busy.Wait()
	return nil
}

// during returns what bounds steps while the outbox runs with ctx, and a little longer.
func during(ctx context.Context) (u until, end func()) {
	call, cut := context.WithCancel(context.WithoutCancel(ctx))
	record, lose := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(stopGrace, cut)
		time.AfterFunc(stopGrace+recordGrace, lose)
	})
	return until{begin: ctx, call: call, record: record}, func() { stop(); cut(); lose() }
}

// recover makes attempts that a killed process left open unknown. Without it nothing may be sent,
// so it goes on until the store answers.
func (o *Outbox) recover(ctx context.Context) error {
	for {
		n, err := o.Store.Recover(ctx, time.Now().UTC())
		if err == nil {
			if n > 0 {
				o.Log.InfoContext(ctx, "attempts were interrupted; their outcome is unknown", "attempts", n)
			}
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		o.Log.WarnContext(ctx, "outbox cannot start yet", "error", err)
		o.sleep(ctx, pollInterval)
	}
}

// dispatch starts a worker for each lane that has something due and none yet. It returns when to
// look again at the latest.
func (o *Outbox) dispatch(u until) (time.Duration, error) {
	ctx, now := u.begin, time.Now().UTC()
	due, err := o.Store.Lanes(ctx, now)
	if err != nil {
		return pollInterval, fmt.Errorf("find due deliveries: %w", err)
	}
	for _, l := range due {
		o.start(u, l)
	}
	next, err := o.Store.NextAt(ctx, now)
	if err != nil {
		return pollInterval, fmt.Errorf("find next delivery: %w", err)
	}
	if next.IsZero() {
		return pollInterval, nil
	}
	return min(max(time.Until(next), time.Millisecond), pollInterval), nil
}

// start gives the lane a worker, or tells the one it has to look again before it ends.
func (o *Outbox) start(u until, l store.DueLane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if running, ok := o.lanes[l.Lane]; ok {
		running.look(l.Mark)
		return
	}
	worker := newLane(o, l.Lane)
	o.lanes[l.Lane] = worker
	o.busy.Go(func() { worker.run(u) })
}

// end takes the worker off its lane, unless it was told to look again.
func (o *Outbox) end(l *lane) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-l.again:
		return false
	default:
		delete(o.lanes, l.Lane)
		return true
	}
}

// sleep waits for d, a wake or the end of ctx.
func (o *Outbox) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-o.wake:
	}
}
