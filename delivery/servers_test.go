package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
)

// servers are outboxes on one Postgres database, each with a store of its own, as several servers have.
type servers struct {
	t        testing.TB
	url      string
	store    *postgres.Store // for the test itself, as a command has it
	registry *notifier.Registry
	conns    []*notifier.Connection
	config   delivery.Config
}

// server is one of them.
type server struct {
	store  *postgres.Store
	outbox *delivery.Outbox
	stop   func() // as SIGTERM does
	kill   func() // as kill -9 does: nothing more is written
}

// onPostgres makes servers that send through a chat service, on a database of their own.
func onPostgres(t testing.TB, n notifier.BaseNotifier) *servers {
	return on(t, pgtest.Database(t), n)
}

func on(t testing.TB, url string, n notifier.BaseNotifier) *servers {
	w := &servers{
		t: t, url: url, registry: notifier.NewRegistry(manifest()),
		conns:  []*notifier.Connection{{Name: "team", Kind: "chat", Notifier: n}},
		config: delivery.Config{MaxAge: 24 * time.Hour, Timeout: 3 * time.Second},
	}
	w.store = w.open()
	return w
}

func (w *servers) open() *postgres.Store {
	s, err := postgres.OpenServer(w.t.Context(), postgres.Options{URL: w.url, Log: slog.New(slog.DiscardHandler)})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// start starts a server.
func (w *servers) start() *server {
	s := w.open()
	ctx, cancel := context.WithCancel(context.Background())
	outbox := delivery.New(delivery.Options{
		Store: s, Registry: w.registry, Connections: notifier.NewConnections(w.conns, nil),
		Config: w.config, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := outbox.Run(ctx); err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	stop := func() { cancel(); wg.Wait() }
	w.t.Cleanup(stop)
	return &server{store: s, outbox: outbox, stop: stop, kill: func() { _ = s.Close() }}
}

// add stores deliveries of one watch, one to each of the channels, in order.
func (w *servers) add(watch string, channels ...string) (ids []string) {
	var all []store.Delivery
	for i, c := range channels {
		destination, err := json.Marshal(place{Channel: c})
		require.NoError(w.t, err)
		all = append(all, w.delivery(fmt.Sprint(watch, "-", i), "chat", "team", c, destination))
		ids = append(ids, all[i].ID)
	}
	w.move(watch, all...)
	return ids
}

func (w *servers) move(watch string, all ...store.Delivery) {
	w.t.Helper()
	require.NoError(w.t, w.tryMove(watch, all...))
}

func (w *servers) tryMove(watch string, all ...store.Delivery) error {
	got, err := w.store.Register(w.t.Context(), w.watch(watch))
	if err != nil {
		return err
	}
	for i := range all {
		all[i].WatchID, all[i].Execution = watch, got.Execution
	}
	return w.store.Move(w.t.Context(), store.Transition{Watch: got, Change: store.Change{Deliveries: all}})
}

func (w *servers) watch(id string) store.Watch {
	return store.Watch{
		ID: id, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC(),
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: id},
	}
}

func (w *servers) delivery(id, kind, connection, address string, destination json.RawMessage) store.Delivery {
	content, err := render.Content{Data: render.Data{Name: id, Phase: "FAILED"}, Template: render.Template{Title: id}}.Marshal()
	require.NoError(w.t, err)
	now := time.Now().UTC()
	return store.Delivery{
		ID: id, Key: id, Rule: "r", Reason: "phase:FAILED", Kind: kind, Connection: connection, Address: address,
		Destination: destination, Content: content, State: store.Pending, NextAt: now, CreatedAt: now,
	}
}

func (w *servers) get(id string) store.Delivery {
	got, err := w.find(id)
	require.NoError(w.t, err)
	require.Equal(w.t, id, got.ID)
	return got
}

func (w *servers) find(id string) (got store.Delivery, err error) {
	err = w.store.Deliveries(w.t.Context(), store.Filter{IDs: []string{id}}, func(d store.Delivery) error {
		got = d
		return nil
	})
	return got, err
}

// await waits until something is so. so may run when the test is over, and must not end it: a store that
// is away for a moment is no failure, only not yet what is waited for.
func (w *servers) await(d time.Duration, what string, so func() bool) {
	w.t.Helper()
	require.Eventually(w.t, so, d, 10*time.Millisecond, what)
}

// awaitThat waits until a delivery is so.
func (w *servers) awaitThat(d time.Duration, what, id string, so func(store.Delivery) bool) {
	w.t.Helper()
	w.await(d, what, func() bool {
		got, err := w.find(id)
		return err == nil && so(got)
	})
}

func (w *servers) awaitDelivered(d time.Duration, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.awaitThat(d, id, id, func(got store.Delivery) bool { return got.State == store.Delivered })
	}
}

// exec runs a statement in the database.
func (w *servers) exec(query string) {
	ctx := w.t.Context()
	conn, err := pgx.Connect(ctx, w.url)
	require.NoError(w.t, err)
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, query)
	require.NoError(w.t, err)
}
