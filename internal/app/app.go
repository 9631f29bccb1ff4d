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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/probe"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/metered"
)

// Options are what a server is made of. Version, Tracer and Ready may be left out.
type Options struct {
	Config  *config.Config
	Version string    // of the program, for metrics
	Stdout  io.Writer // where the stdout notifier prints
	Log     *slog.Logger
	Tracer  trace.TracerProvider    // nil: nothing is traced
	Ready   func(grpc, http string) // called once both addresses answer
}

// server is the parts, made but not yet running.
type server struct {
	Options
	engine   store.Store // as it was opened
	store    store.Store // the engine, measured
	admin    *flyte.Client
	executor *executor.NotifierExecutor
	outbox   *delivery.Outbox
	grpc     *agent.Server
	metrics  *prometheus.Registry
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
	s := &server{Options: o, metrics: prometheus.NewRegistry()}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(o.Version))
	if err := s.checkRiver(); err != nil {
		return s, err
	}
	registry := builtin.Registry(o.Stdout)
	connections, problems := o.Config.Build(registry, Client())
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
	s.assemble(registry, connections)
	if err := s.subscribe(ctx); err != nil {
		return s, err
	}
	service := agent.New(agent.Options{
		Store: s.store, Registry: registry, Connections: connections,
		AllowCrossProject: o.Config.Watch.AllowCrossProject, Registered: s.executor.Wake, Log: o.Log,
		Metrics: s.metrics, Tracer: o.Tracer,
	})
	t := o.Config.Server.TLS
	s.grpc, err = agent.NewServer(service, agent.TLS(t), o.Log)
	return s, err
}

// assemble makes what works in the background.
func (s *server) assemble(registry *notifier.Registry, connections *notifier.Connections) {
	c := s.Config
	s.outbox = delivery.New(delivery.Options{
		Store: s.store, Registry: registry, Connections: connections,
		Config: delivery.Config{
			MaxAge: c.Delivery.MaxAge, MaxAttempts: c.Delivery.MaxAttempts, Timeout: c.Delivery.Timeout,
		},
		Metrics: s.metrics, Tracer: s.Tracer, Log: s.Log,
	})
	s.executor = executor.New(executor.Options{
		Store: s.store, Admin: s.admin, Registry: registry,
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: c.Watch.Interval, Sweep: c.Watch.Sweep, Overlap: c.Watch.Overlap},
			NodeInterval: c.Watch.NodeInterval, NodeCalls: float64(c.Watch.NodeCalls), Discovery: c.Watch.Discovery,
		},
		Metrics: s.metrics, Tracer: s.Tracer, Log: s.Log, Delivered: s.outbox.Wake,
	})
	s.metrics.MustRegister(newGauges(s.store, s.executor.Stats))
}

// subscribe gives the executor the subscriptions, so that they are born before anybody is told that the server
// is there.
func (s *server) subscribe(ctx context.Context) error {
	for _, problem := range s.Config.Broken {
		s.Log.ErrorContext(ctx, "rule is left out", "problem", problem.String())
	}
	if err := s.executor.Subscribe(ctx, s.Config.Subscriptions); err != nil {
		return fmt.Errorf("begin subscriptions: %w", err)
	}
	return nil
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
	checks := []probe.Check{{Name: "store", Ping: s.store.Ping}, {Name: "flyteadmin", Ping: s.admin.Ping}}
	g, ctx := errgroup.WithContext(ctx)
	pages, err := s.pages(ctx)
	if err != nil {
		_ = grpcListener.Close() // nothing was served on them
		_ = httpListener.Close()
		return err
	}
	g.Go(func() error { return s.grpc.Serve(ctx, grpcListener) })
	g.Go(func() error { return probe.Serve(ctx, httpListener, probe.Handler(checks, s.metrics, pages...)) })
	g.Go(func() error { return s.executor.Run(ctx) })
	g.Go(func() error { return s.outbox.Run(ctx) })
	g.Go(func() error { return s.retain(ctx) })
	g.Go(func() error {
		paceCollector(ctx)
		return nil
	})
	s.Log.InfoContext(ctx, "serving", "grpc", grpcListener.Addr().String(), "http", httpListener.Addr().String(), "connections", slices.Sorted(maps.Keys(s.Config.Connections)))
	if s.Ready != nil {
		s.Ready(grpcListener.Addr().String(), httpListener.Addr().String())
	}
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
