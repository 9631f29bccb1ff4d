package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// place is the destination of the fake service.
type place struct {
	Channel string `json:"channel"`
	ID      string `json:"id"`
}

func (p *place) Validate() []notifier.Problem {
	if p.Channel == "" {
		return []notifier.Problem{{Path: "channel", Text: "required"}}
	}
	return nil
}
func (p *place) Address() string                       { return p.Channel }
func (p *place) Addresses() []string                   { return []string{p.Channel} }
func (p *place) WithID(id string) notifier.Destination { return &place{Channel: p.Channel, ID: id} }

// service is a chat service whose behavior a test scripts.
type service struct {
	mu    sync.Mutex
	posts []post
	send  func(ctx context.Context, p *place, m notifier.Message) error // before the post is stored
	after func(ctx context.Context, p *place, m notifier.Message) error // after it was
	looks int
	look  error
	found map[string]int // posts by key
	names func(p *place) (notifier.Resolved, error)
}

type post struct {
	channel, id, title, key string
	at                      time.Time
}

func (s *service) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	p := d.(*place)
	if s.send != nil {
		if err := s.send(ctx, p, m); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.posts = append(s.posts, post{p.Channel, p.ID, m.Title, m.Key, time.Now()})
	if s.found == nil {
		s.found = map[string]int{}
	}
	s.found[m.Key]++
	n := len(s.posts)
	s.mu.Unlock()
	if s.after != nil {
		if err := s.after(ctx, p, m); err != nil {
			return nil, err
		}
	}
	return notifier.Receipt{"ts": fmt.Sprint(n)}, nil
}

func (s *service) sent() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// times is how often a message arrived.
func (s *service) times(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found[key]
}

// asked is how often the service was asked whether a message arrived.
func (s *service) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}

// tally counts what a script was asked, and when, from whatever goroutine.
type tally struct {
	mu sync.Mutex
	at []time.Time
}

// note counts one more, and returns how many there are.
func (t *tally) note() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = append(t.at, time.Now())
	return len(t.at)
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.at)
}

// times are when they were noted.
func (t *tally) times() []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.at)
}

// lookable adds the look-up to a service.
type lookable struct{ *service }

func (s lookable) Look(_ context.Context, _ notifier.Destination, key string, _ time.Time) (notifier.Receipt, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return notifier.Receipt{"ts": "looked"}, s.found[key] > 0, s.look
}

// resolving adds exact names to a service.
type resolving struct{ *service }

func (s resolving) Resolve(_ context.Context, d notifier.Destination) (notifier.Resolved, error) {
	return s.names(d.(*place))
}

func manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind: "chat", Destination: func() notifier.Destination { return &place{} }, Config: func() any { return &struct{}{} },
		New: func(any, notifier.Deps) (notifier.BaseNotifier, error) { return nil, nil },
	}
}

// bench is an outbox at work on a real store, in a synctest bubble.
type bench struct {
	t      *testing.T
	store  *sqlite.Store
	queue  *queue // hands out what is in the store, unless nil
	config delivery.Config
	conns  []*notifier.Connection
	outbox *delivery.Outbox
	stop   func()
	n      int
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
	outbox := delivery.New(delivery.Options{
		Store: s, Registry: notifier.NewRegistry(manifest()), Connections: notifier.NewConnections(b.conns, nil),
		Config: b.config, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
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
	w, err := b.store.Register(b.t.Context(), store.Watch{
		ID: watch, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC(),
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: watch},
	})
	require.NoError(b.t, err)
	t := store.Transition{Watch: w}
	for _, c := range channels {
		b.n++
		d := b.delivery(w, fmt.Sprint("d", b.n), c)
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

func TestADeliveryIsSentAtOnce(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.start()
		begin := time.Now()
		ids := b.add("w1", "#a")
		synctest.Wait()
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.Equal(b.t, 1, d.Attempts)
		require.Equal(b.t, notifier.Receipt{"ts": "1"}, d.Receipt)
		require.Equal(b.t, begin.UTC(), d.SettledAt)
		require.Equal(b.t, "d1", s.sent()[0].title)
		require.Equal(b.t, "d1", s.sent()[0].key)
	})
}

func TestARetryBacksOffAndObeysTheService(t *testing.T) {
	var calls tally
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		switch calls.note() {
		case 1:
			return notifier.Retry.Errorf("busy")
		case 2:
			return notifier.RetryAfter(90*time.Second, fmt.Errorf("slow down"))
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(5 * time.Second)
		require.Equal(b.t, 2, calls.count(), "the first back-off is at most 5 s")
		require.Equal(b.t, "slow down", b.get(ids[0]).LastError)
		other := b.add("w2", "#a")
		b.pass(80 * time.Second)
		require.Equal(b.t, 2, calls.count(), "the whole lane leaves the service alone")
		b.pass(20 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, store.Delivered, b.get(other[0]).State)
		require.Equal(b.t, 3, b.get(ids[0]).Attempts)
		require.Zero(b.t, b.get(ids[0]).UnknownAt)
	})
}

func TestAPermanentErrorIsDeadAtOnceAndCanBeRedriven(t *testing.T) {
	var healed atomic.Bool
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		if !healed.Load() {
			return notifier.Permanent.Errorf("channel_not_found")
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.config.MaxAttempts = 1
		b.start()
		ids := b.add("w1", "#a", "#a")
		synctest.Wait()
		d := b.get(ids[0])
		require.Equal(b.t, store.Dead, d.State)
		require.Equal(b.t, "channel_not_found", d.LastError)
		require.Equal(b.t, store.Dead, b.get(ids[1]).State, "a dead one releases the next")
		healed.Store(true)
		refused, err := b.store.Redrive(b.t.Context(), ids, time.Now().UTC())
		require.NoError(b.t, err)
		require.Empty(b.t, refused)
		b.pass(5 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, 2, b.get(ids[0]).Attempts)
	})
}

func TestTheLimitsOfThePolicy(t *testing.T) {
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error { return notifier.Retry.Errorf("busy") }
	run(t, s, func(b *bench) {
		b.config.MaxAge = time.Hour
		b.start()
		old := b.add("w1", "#a")
		b.pass(2 * time.Hour)
		d := b.get(old[0])
		require.Equal(b.t, store.Dead, d.State)
		require.WithinDuration(b.t, d.CreatedAt.Add(time.Hour), d.SettledAt, 6*time.Minute)
		b.halt()
		b.config.MaxAttempts = 3
		b.start()
		tired := b.add("w2", "#b")
		b.pass(time.Minute)
		require.Equal(b.t, store.Dead, b.get(tired[0]).State)
		require.Equal(b.t, 3, b.get(tired[0]).Attempts)
		require.Equal(b.t, "busy", b.get(tired[0]).LastError)
	})
}

func TestOrderIsKeptPerWatchAndDestination(t *testing.T) {
	var tries tally
	s := &service{}
	s.send = func(_ context.Context, _ *place, m notifier.Message) error {
		if m.Key == "d1" && tries.note() == 1 {
			return notifier.RetryAfter(0, fmt.Errorf("busy"))
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		b.add("w1", "#a", "#a", "#b", "#a")
		b.add("w2", "#a")
		b.pass(time.Minute)
		var inA, all []string
		for _, p := range s.sent() {
			all = append(all, p.key)
			if p.channel == "#a" {
				inA = append(inA, p.key)
			}
		}
		require.Len(b.t, all, 5)
		require.Equal(b.t, []string{"d5", "d1", "d2", "d4"}, inA, "another watch does not wait, the same one does")
	})
}

func TestAHangingDestinationHoldsUpNoOther(t *testing.T) {
	s := &service{}
	s.send = func(ctx context.Context, p *place, _ notifier.Message) error {
		if p.Channel == "#hang" {
			<-ctx.Done()
			return notifier.Unknown.Errorf("time-out")
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		for i := range 100 {
			b.add(fmt.Sprint("h", i), "#hang")
		}
		ok := b.add("w1", "#a")
		synctest.Wait()
		require.Equal(b.t, store.Delivered, b.get(ok[0]).State)
	})
}
