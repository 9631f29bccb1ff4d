// Package app puts the parts together: store, flyteadmin, executor, outbox, agent and probe, from
// a config, under one errgroup. It holds no logic of its own.
package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/hooks"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/probe"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/metered"
)

// Options are what a server is made of. Version, Tracer, Ready, Hooked, Source and Reloaded may be left out.
type Options struct {
	Config  *config.Config
	Version string    // of the program, for metrics
	Stdout  io.Writer // where the stdout notifier prints
	Log     *slog.Logger
	Tracer  trace.TracerProvider    // nil: nothing is traced
	Ready   func(grpc, http string) // called once both addresses answer
	Hooked  func(address string)    // called before that with the address of server.hooks, if there is one

	Source   *Source              // where Config came from; nil: it is never read again
	Reloaded func(*config.Config) // called with each config that was taken up later
}

// server is the parts, made but not yet running.
type server struct {
	Options
	registry *notifier.Registry
	deps     notifier.Deps // of all notifiers
	engine   store.Store   // as it was opened
	store    store.Store   // the engine, measured
	admin    *flyte.Client
	executor *executor.NotifierExecutor
	outbox   *delivery.Outbox
	ops      *delivery.Ops
	service  *agent.Service
	grpc     *agent.Server
	hooks    *hooks.Server
	metrics  *prometheus.Registry

	retention atomic.Pointer[config.Retention]
	shorter   chan struct{} // retention may be shorter than it was
	reloader  *reloader
}

// Run serves until ctx ends, and returns nil then; what is in flight gets some seconds to finish.
// The error is that of a part that cannot start or go on.
func Run(ctx context.Context, o Options) error {
	s, err := build(ctx, o)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return err
	}
	return s.run(ctx)
}

func build(ctx context.Context, o Options) (*server, error) {
	s := &server{Options: o, registry: builtin.Registry(o.Stdout), deps: Deps(), metrics: prometheus.NewRegistry(), shorter: make(chan struct{}, 1)}
	s.retention.Store(&o.Config.Retention)
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(o.Version))
	connections, problems := s.connect(o.Config)
	if len(problems) > 0 {
		return s, &ConfigError{problems}
	}
	var err error
	if s.admin, err = flyte.Dial(ctx, o.Config.Admin, o.Config.Flyte.ConsoleURL, flyte.Measured(s.metrics)); err != nil {
		return s, fmt.Errorf("connect to flyteadmin: %w", err)
	}
	if s.engine, err = OpenServerStore(ctx, o.Config, o.Log); err != nil {
		return s, err
	}
	s.store = metered.Wrap(s.engine, s.metrics)
	s.assemble(connections)
	if err := s.subscribe(ctx, o.Config); err != nil {
		return s, err
	}
	s.service = agent.New(agent.Options{
		Store: s.store, Registry: s.registry, Connections: connections,
		AllowCrossProject: o.Config.Watch.AllowCrossProject, Registered: s.executor.Wake, Log: o.Log,
		Metrics: s.metrics, Tracer: o.Tracer,
	})
	t := o.Config.Server.TLS
	s.grpc, err = agent.NewServer(s.service, agent.TLS(t), o.Log)
	s.reloader = newReloader(s)
	return s, err
}

// connect makes the connections of a config, which reads their secrets. The problems are those that no start
// would go over.
func (s *server) connect(c *config.Config) (*notifier.Connections, []notifier.Problem) {
	connections, problems := c.Build(s.registry, s.deps)
	return connections, append(problems, checkRiver(c.Server.RiverUI)...)
}

// assemble makes what works in the background.
func (s *server) assemble(connections *notifier.Connections) {
	c := s.Config
	s.outbox = delivery.New(delivery.Options{
		Store: s.store, Registry: s.registry, Connections: connections, Config: policy(c),
		Metrics: s.metrics, Tracer: s.Tracer, Log: s.Log, Acknowledged: s.acknowledged, Settled: s.settled,
	})
	s.hooks = hooks.New(hooks.Options{Store: s.store, Connections: connections, Metrics: s.metrics, Log: s.Log})
	s.executor = executor.New(executor.Options{
		Store: s.store, Admin: s.admin, Registry: s.registry,
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: c.Watch.Interval, Sweep: c.Watch.Sweep, Overlap: c.Watch.Overlap},
			NodeInterval: c.Watch.NodeInterval, NodeCalls: float64(c.Watch.NodeCalls), Discovery: c.Watch.Discovery,
		},
		Metrics: s.metrics, Tracer: s.Tracer, Log: s.Log, Delivered: s.inserted, Silenced: s.outbox.Silenced,
	})
	s.ops = delivery.NewOps(delivery.OpsOptions{Store: s.store, Registry: s.registry, Steps: c.Ops, Inserted: s.outbox.Wake, Log: s.Log})
	s.metrics.MustRegister(newGauges(s.store, s.executor.Stats))
}

// subscribe gives the executor the subscriptions; at the start so that they are born before anybody is told
// that the server is there.
func (s *server) subscribe(ctx context.Context, c *config.Config) error {
	s.tellBroken(c)
	if err := s.executor.Subscribe(ctx, rules(c)); err != nil {
		return fmt.Errorf("begin subscriptions: %w", err)
	}
	return nil
}

// rules are what the executor goes by of a config.
func rules(c *config.Config) executor.Rules {
	r := executor.Rules{Subscriptions: c.Subscriptions, Quiet: map[string]*spec.Quiet{}}
	for name, connection := range c.Connections {
		if connection.Quiet != nil {
			r.Quiet[name] = connection.Quiet
		}
	}
	return r
}

// tellBroken logs the rules that are left out, and those that are in vain.
func (s *server) tellBroken(c *config.Config) {
	for _, problem := range c.Broken {
		s.Log.Error("rule is left out", "problem", problem.String())
	}
	for _, warning := range c.Warnings() {
		s.Log.Warn("the config says what nobody wants", "warning", warning.String())
	}
}

func policy(c *config.Config) delivery.Config {
	return delivery.Config{MaxAge: c.Delivery.MaxAge, MaxAttempts: c.Delivery.MaxAttempts, Timeout: c.Delivery.Timeout}
}

func (s *server) run(ctx context.Context) error {
	grpcListener, err := net.Listen("tcp", s.Config.Server.Listen)
	if err != nil {
		return fmt.Errorf("listen for gRPC: %w", err)
	}
	httpListener, err := net.Listen("tcp", s.Config.Server.HTTP)
	if err != nil {
		_ = grpcListener.Close() // nothing was served on it
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	hooksListener, err := s.listenForHooks()
	if err != nil {
		_ = grpcListener.Close() // nothing was served on them
		_ = httpListener.Close()
		return err
	}
	checks := []probe.Check{{Name: "store", Ping: s.store.Ping}, {Name: "flyteadmin", Ping: s.admin.Ping}}
	notes := []probe.Note{{Name: "config", Lines: s.reloader.notes}, {Name: "connection", Lines: s.outbox.Failing}}
	g, ctx := errgroup.WithContext(ctx)
	pages, err := s.pages(ctx)
	if err != nil {
		_ = grpcListener.Close() // nothing was served on them
		_ = httpListener.Close()
		if hooksListener != nil {
			_ = hooksListener.Close()
		}
		return err
	}
	if hooksListener != nil {
		g.Go(func() error { return s.hooks.Serve(ctx, hooksListener, hooks.TLS(s.Config.Server.Hooks.TLS)) })
	}
	g.Go(func() error { return s.grpc.Serve(ctx, grpcListener) })
	g.Go(func() error { return probe.Serve(ctx, httpListener, probe.Handler(checks, notes, s.metrics, pages...)) })
	g.Go(func() error { return s.executor.Run(ctx) })
	g.Go(func() error { return s.outbox.Run(ctx) })
	g.Go(func() error { return s.ops.Run(ctx) })
	g.Go(func() error { return s.retain(ctx) })
	g.Go(func() error {
		paceCollector(ctx)
		return nil
	})
	s.Log.InfoContext(ctx, "serving", "grpc", grpcListener.Addr().String(), "http", httpListener.Addr().String(), "connections", slices.Sorted(maps.Keys(s.Config.Connections)))
	if s.Ready != nil {
		s.Ready(grpcListener.Addr().String(), httpListener.Addr().String())
	}
	g.Go(func() error { return s.reloader.run(ctx) })
	err = g.Wait()
	s.Log.Info("stopped")
	return err
}

func (s *server) close() {
	if s.admin != nil {
		if err := s.admin.Close(); err != nil {
			s.Log.Warn("connection to flyteadmin does not close", "error", err)
		}
	}
	if s.engine != nil {
		if err := s.engine.Close(); err != nil {
			s.Log.Error("store does not close", "error", err)
		}
	}
}
