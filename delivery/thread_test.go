package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// chat is a simulated Slack, and outboxes that send to it from one store.
type chat struct {
	t     *testing.T
	sim   *slacksim.Sim
	open  func() store.Store // as a server has it, of the same data
	store store.Store        // of the outbox that was started last
	wake  func()             // that outbox
	conns []*notifier.Connection
	log   *slog.Logger
	asks  bool // who acknowledged
	stop  func()

	mu   sync.Mutex
	acks []string // by whom, as the outbox told
}

// onBoth runs a test on each engine.
func onBoth(t *testing.T, test func(t *testing.T, c *chat)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newChat(t, openFile(t, filepath.Join(t.TempDir(), "notifier.db"))))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newChat(t, onDatabase(t)))
	})
}

func openFile(t *testing.T, path string) func() store.Store {
	return func() store.Store {
		s, err := sqlite.Open(t.Context(), path)
		require.NoError(t, err)
		return s
	}
}

func onDatabase(t *testing.T) func() store.Store {
	url := pgtest.Database(t)
	return func() store.Store {
		s, err := postgres.OpenServer(t.Context(), postgres.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return s
	}
}

func newChat(t *testing.T, open func() store.Store) *chat {
	c := &chat{t: t, open: open, log: slog.New(slog.DiscardHandler), stop: func() {}}
	c.sim = slacksim.New(slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}, {ID: "C2", Name: "two"}}})
	t.Cleanup(c.sim.Close)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(slacksim.DefaultToken), 0o600))
	n, err := slack.New(slack.Config{Token: notifier.Secret{File: file}, APIURL: exchange.BaseURL(c.sim.URL())}, nil)
	require.NoError(t, err)
	c.conns = []*notifier.Connection{{Name: "team", Kind: slack.Kind, Notifier: n}}
	t.Cleanup(func() { c.stop() })
	return c
}

// start starts an outbox on a store of its own; there may be several on Postgres.
func (c *chat) start() {
	s, others := c.open(), c.stop
	c.store = s
	o := delivery.Options{
		Store: s, Registry: notifier.NewRegistry(slack.Manifest()), Connections: notifier.NewConnections(c.conns, nil),
		Config:  delivery.Config{MaxAge: 24 * time.Hour, Timeout: 3 * time.Second},
		Metrics: prometheus.NewRegistry(), Log: c.log,
	}
	if c.asks {
		o.Acknowledged = func(_ context.Context, d store.Delivery, by string) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.acks = append(c.acks, d.Execution.Name+": "+by)
			return nil
		}
	}
	outbox := delivery.New(o)
	c.wake = outbox.Wake
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := outbox.Run(ctx); err != nil {
			c.t.Errorf("run: %v", err)
		}
	})
	c.stop = func() {
		cancel()
		wg.Wait()
		_ = s.Close()
		others()
	}
}

// restart stops all outboxes and starts one.
func (c *chat) restart() {
	c.stop()
	c.stop = func() {}
	c.start()
}

// kill ends an outbox as kill -9 does: it writes nothing more. Its goroutines end with the test.
func (c *chat) kill() {
	require.NoError(c.t, c.store.Close())
	c.t.Cleanup(c.stop)
	c.stop = func() {}
}

// news is one message about an execution.
type news struct {
	watch, execution, phase string
	to                      string // the destination's keys beside the channel: `"update":true`
	channel                 string // default #one
	key                     string // default made up from the others
	at                      time.Time
	digest                  bool // it stands for several
}

const (
	inThread  = `"thread":"execution"`
	broadcast = `"thread":"execution","broadcast":true`
	edited    = `"update":true`
)

// tell stores deliveries, each of the watch it names, and returns their ids.
func (c *chat) tell(all ...news) (ids []string) {
	c.t.Helper()
	for _, n := range all {
		id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: n.execution}
		w, err := c.store.Register(c.t.Context(), store.Watch{ID: n.watch, Kind: store.Follow, State: store.Active, Execution: id, CreatedAt: time.Now().UTC()})
		require.NoError(c.t, err)
		d := c.delivery(n)
		d.WatchID, d.Execution = w.ID, w.Execution
		require.NoError(c.t, c.store.Move(c.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
		ids = append(ids, d.ID)
		c.wake()
	}
	return ids
}

func (c *chat) delivery(n news) store.Delivery {
	now := time.Now().UTC()
	if n.channel == "" {
		n.channel = "#one"
	}
	if n.key == "" {
		n.key = fmt.Sprintf("%s|%s|rule|%s %s %d|0|send[0]", n.watch, n.execution, n.phase, n.to, now.UnixNano())
	}
	if n.at.IsZero() {
		n.at = now
	}
	destination := fmt.Sprintf(`{"channel":%q}`, n.channel)
	if n.to != "" {
		destination = fmt.Sprintf(`{"channel":%q,%s}`, n.channel, n.to)
	}
	content, err := render.Content{Data: render.Data{Name: n.execution, Phase: n.phase, Workflow: "train", At: n.at}}.Marshal()
	require.NoError(c.t, err)
	bundle := ""
	if n.digest {
		bundle = "b1"
		content = append(bytes.TrimSuffix(content, []byte("}")), `,"Digest":{"Total":2}}`...)
	}
	return store.Delivery{
		Bundle: bundle, ID: store.DeliveryID(n.key), Key: n.key, Rule: "rule", Reason: "phase:" + n.phase, Kind: slack.Kind, Connection: "team",
		Address: n.channel, Destination: json.RawMessage(destination), Content: content, State: store.Pending, NextAt: now, CreatedAt: now,
	}
}

// await waits until deliveries are settled, and returns them.
func (c *chat) await(ids ...string) []store.Delivery {
	c.t.Helper()
	var found []store.Delivery
	require.Eventually(c.t, func() bool {
		var err error
		found, err = c.store.DeliveriesOf(context.WithoutCancel(c.t.Context()), ids)
		return err == nil && len(found) == len(ids) && !slices.ContainsFunc(found, func(d store.Delivery) bool { return !d.State.Settled() })
	}, soon, 10*time.Millisecond, "%v", ids)
	slices.SortFunc(found, func(a, b store.Delivery) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	return found
}

// told tells and waits, one after the other. All must be delivered.
func (c *chat) told(all ...news) (settled []store.Delivery) {
	c.t.Helper()
	for _, n := range all {
		d := c.await(c.tell(n)...)[0]
		require.Equal(c.t, store.Delivered, d.State, d.LastError)
		settled = append(settled, d)
	}
	return settled
}

// shown is what a channel shows: the phase of each message, with the one whose thread it is in.
func (c *chat) shown(channel string) (all []string) {
	titles := map[string]string{}
	for _, m := range c.sim.Messages(channel) {
		title := title(m)
		titles[m.TS] = title
		switch {
		case m.Broadcast:
			title += " in " + titles[m.ThreadTS] + ", broadcast"
		case m.ThreadTS != "":
			title += " in " + titles[m.ThreadTS]
		}
		all = append(all, title)
	}
	return all
}

// title is the phase in the title of a default message: "❌ train FAILED".
func title(m slacksim.Message) string {
	first, _, _ := strings.Cut(slacksim.Render(m), "\n")
	return first[strings.LastIndexByte(first, ' ')+1:]
}

// timeline is the text of a watch's events.
func (c *chat) timeline(watch string) (all string) {
	events, err := c.store.Events(c.t.Context(), watch, 0, 100)
	require.NoError(c.t, err)
	for _, e := range events {
		all += e.Kind + ": " + e.Text + "\n"
	}
	return all
}
