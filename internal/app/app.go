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
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
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
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// Options are what a server is made of. Ready may be nil.
type Options struct {
	Config *config.Config
	Stdout io.Writer // where the stdout notifier prints
	Log    *slog.Logger
	Ready  func(grpc, http string) // called once both addresses answer
}

// server is the parts, made but not yet running.
type server struct {
	Options
	store    store.Store
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
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry := builtin.Registry(o.Stdout)
	connections, problems := o.Config.Build(registry, Client())
	if len(problems) > 0 {
		return s, &ConfigError{problems}
	}
	var err error
	if s.admin, err = flyte.Dial(ctx, o.Config.Admin, o.Config.Flyte.ConsoleURL); err != nil {
		return s, fmt.Errorf("connect to flyteadmin: %w", err)
	}
	if s.store, err = OpenServerStore(ctx, o.Config); err != nil {
		return s, err
	}
	s.assemble(registry, connections)
	service := agent.New(agent.Options{
		Store: s.store, Registry: registry, Connections: connections,
		AllowCrossProject: o.Config.Watch.AllowCrossProject, Registered: s.executor.Wake, Log: o.Log,
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
		Metrics: s.metrics, Log: s.Log,
	})
	s.executor = executor.New(executor.Options{
		Store: s.store, Admin: s.admin, Registry: registry,
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: c.Watch.Interval, Sweep: c.Watch.Sweep, Overlap: c.Watch.Overlap},
			NodeInterval: c.Watch.NodeInterval, NodeCalls: float64(c.Watch.NodeCalls),
		},
		Metrics: s.metrics, Log: s.Log, Delivered: s.outbox.Wake,
	})
	s.metrics.MustRegister(newGauges(s.store, s.executor.Stats))
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
	g.Go(func() error { return s.grpc.Serve(ctx, grpcListener) })
	g.Go(func() error { return probe.Serve(ctx, httpListener, probe.Handler(checks, s.metrics)) })
	g.Go(func() error { return s.executor.Run(ctx) })
	g.Go(func() error { return s.outbox.Run(ctx) })
	g.Go(func() error { return s.retain(ctx) })
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
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.Log.Error("store does not close", "error", err)
		}
	}
}

// purgeEvery is how often old rows are removed, and purgeBatch how many at once: a small batch
// delays no other write.
const (
	purgeEvery = time.Hour
	purgeBatch = 500
)

// retain removes what is older than the config keeps, until ctx ends.
func (s *server) retain(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if err := s.purge(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "old rows cannot be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *server) purge(ctx context.Context, now time.Time) error {
	r := s.Config.Retention
	for {
		n, err := s.store.Purge(ctx, now.Add(-r.Watches), now.Add(-r.Deliveries), purgeBatch)
		if err != nil || n == 0 {
			return err
		}
	}
}

// OpenServerStore opens the store of a config and takes its lock.
func OpenServerStore(ctx context.Context, c *config.Config) (store.Store, error) {
	path, err := storePath(c)
	if err != nil {
		return nil, err
	}
	st, err := sqlite.OpenServer(ctx, path)
	if err != nil {
		return nil, err
	}
	return st, nil
}

// OpenStore opens the store of a config beside a server that may be running.
func OpenStore(ctx context.Context, c *config.Config) (store.Store, error) {
	path, err := storePath(c)
	if err != nil {
		return nil, err
	}
	st, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return st, nil
}

func storePath(c *config.Config) (string, error) {
	path, err := c.Store.URL.Path()
	if err != nil {
		return "", fmt.Errorf("store.url: %w", err)
	}
	return path, nil
}
