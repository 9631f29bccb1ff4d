package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// bench is an outbox at work on a real store, in a synctest bubble.
type bench struct {
	t       *testing.T
	store   *sqlite.Store
	queue   *queue // hands out what is in the store, unless nil
	config  delivery.Config
	conns   []*notifier.Connection
	outbox  *delivery.Outbox
	stop    func()
	settled func(store.Delivery) // nil: nobody hears of it
	n       int

	registry *notifier.Registry
	metrics  *prometheus.Registry // of the outbox, unless nil
	log      *slog.Logger         // the same
}

// run runs a test on an outbox that asks its store what is due; as part of TestOverAQueue, on one that is
// handed it.
func run(t *testing.T, n notifier.BaseNotifier, test func(b *bench)) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	synctest.Test(t, func(t *testing.T) {
		b := &bench{
			t: t, stop: func() {},
			config: delivery.Config{MaxAge: 24 * time.Hour, Timeout: 15 * time.Second},
			conns:  []*notifier.Connection{{Name: "team", Kind: "chat", Notifier: n}},

			registry: notifier.NewRegistry(manifest()),
		}
		var err error
		b.store, err = sqlite.Open(t.Context(), path)
		require.NoError(t, err)
		if strings.HasPrefix(t.Name(), "TestOverAQueue/") {
			b.queue = newQueue(b.store)
		}
		t.Cleanup(func() {
			b.stop()
			require.NoError(t, b.store.Close())
		})
		test(b)
	})
}

// start starts an outbox; over a queue there may be several.
func (b *bench) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	var s delivery.Store = b.store
	if b.queue != nil {
		s = b.queue
	}
	metrics, log := b.metrics, b.log
	if log == nil {
		metrics, log = prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	}
	outbox := delivery.New(delivery.Options{
		Store: s, Registry: b.registry, Connections: notifier.NewConnections(b.conns, nil),
		Config: b.config, Metrics: metrics, Log: log,
		Settled: b.settled,
	})
	b.outbox = outbox
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := outbox.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	others := b.stop
	b.stop = func() { cancel(); wg.Wait(); others() }
}

// halt stops all outboxes that were started, once and for all.
func (b *bench) halt() {
	b.stop()
	b.stop = func() {}
}

// add stores deliveries of one watch, in order.
func (b *bench) add(watch string, channels ...string) (ids []string) {
	return b.addTo("team", watch, channels...)
}

// addTo is add, for some connection.
func (b *bench) addTo(connection, watch string, channels ...string) (ids []string) {
	w, err := b.store.Register(b.t.Context(), store.Watch{
		ID: watch, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC(),
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: watch},
	})
	require.NoError(b.t, err)
	t := store.Transition{Watch: w}
	for _, c := range channels {
		b.n++
		d := b.delivery(w, fmt.Sprint("d", b.n), c)
		d.Connection = connection
		t.Deliveries, ids = append(t.Deliveries, d), append(ids, d.ID)
	}
	require.NoError(b.t, b.store.Move(b.t.Context(), t))
	if b.outbox != nil {
		b.outbox.Wake()
	}
	if b.queue != nil {
		b.queue.wake()
	}
	return ids
}

func (b *bench) delivery(w store.Watch, id, channel string) store.Delivery {
	content, err := render.Content{Data: render.Data{Name: w.Execution.Name, Phase: "FAILED"}, Template: render.Template{Title: id}}.Marshal()
	require.NoError(b.t, err)
	destination, err := json.Marshal(place{Channel: channel})
	require.NoError(b.t, err)
	now := time.Now().UTC()
	return store.Delivery{
		ID: id, Key: id, WatchID: w.ID, Execution: w.Execution, Rule: "r", Reason: "phase:FAILED",
		Kind: "chat", Connection: "team", Address: channel, Destination: destination, Content: content,
		State: store.Pending, NextAt: now, CreatedAt: now,
	}
}

func (b *bench) get(id string) store.Delivery {
	var got store.Delivery
	err := b.store.Deliveries(b.t.Context(), store.Filter{IDs: []string{id}}, func(d store.Delivery) error {
		got = d
		return nil
	})
	require.NoError(b.t, err)
	require.Equal(b.t, id, got.ID)
	return got
}

func (b *bench) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// long leaves a test that lets much time pass out of a short run, such as the gate's with the race detector.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}
