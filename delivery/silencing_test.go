package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	"github.com/flyte-notifier/flyte-notifier/store"
)

// silence makes a silence of the bench's production for a time; edits narrow it.
func (b *bench) silence(d time.Duration, edits ...func(*delivery.Silence)) delivery.Silence {
	b.t.Helper()
	now := time.Now().UTC()
	s, err := delivery.AddSilence(b.t.Context(), b.store, silence(append(edits, func(s *delivery.Silence) { s.CreatedAt, s.Until = now, now.Add(d) })...))
	require.NoError(b.t, err)
	return s
}

func ofName(name string) func(*delivery.Silence) {
	return func(s *delivery.Silence) { s.Match.Name = name }
}

// watch registers a watch, or reads it.
func (b *bench) watch(name string) store.Watch {
	w, err := b.store.Register(b.t.Context(), store.Watch{
		ID: name, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC(),
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name},
	})
	require.NoError(b.t, err)
	return w
}

// wake tells that something was written.
func (b *bench) wake() {
	b.outbox.Wake()
	if b.queue != nil {
		b.queue.wake()
	}
}

// oneOf is what becomes at once of a delivery of a watch of that name.
func (b *bench) oneOf(name string) store.DeliveryState {
	ids := b.add(name, "#a")
	synctest.Wait()
	return b.get(ids[0]).State
}

// states are what became of deliveries.
func (b *bench) states(ids []string) (all []store.DeliveryState) {
	for _, id := range ids {
		all = append(all, b.get(id).State)
	}
	return all
}

func TestASilenceHoldsBackWhatItMatchesAndReleasesTheNext(t *testing.T) {
	s := &service{}
	run(t, resolving{s}, func(b *bench) {
		var resolved tally
		s.names = func(*place) (notifier.Resolved, error) {
			resolved.note()
			return notifier.Resolved{ID: "C1", Names: []string{"#a"}}, nil
		}
		made := b.silence(time.Hour, func(s *delivery.Silence) { s.Match.Rule = "loud" })
		b.start()
		w := b.watch("w1")
		move := store.Transition{Watch: w}
		for i, rule := range []string{"loud", "r", "loud", "r"} {
			d := b.delivery(w, fmt.Sprint("d", i), "#a")
			d.Rule = rule
			move.Deliveries = append(move.Deliveries, d)
		}
		require.NoError(b.t, b.store.Move(b.t.Context(), move))
		b.wake()
		b.pass(5 * time.Second)
		ids := []string{"d0", "d1", "d2", "d3"}
		require.Equal(b.t, []store.DeliveryState{store.Silenced, store.Delivered, store.Silenced, store.Delivered}, b.states(ids))
		d := b.get("d0")
		require.Zero(b.t, d.Attempts)
		require.False(b.t, d.SettledAt.IsZero())
		why := fmt.Sprintf("silenced by %s until %s, by ann: new cluster", made.ID, made.Until.Format(time.RFC3339))
		require.Equal(b.t, why, d.LastError)
		events, err := b.store.Events(b.t.Context(), "w1", 0, 100)
		require.NoError(b.t, err)
		told := slices.IndexFunc(events, func(e store.Event) bool { return e.Kind == "silenced" })
		require.GreaterOrEqual(b.t, told, 0)
		require.Equal(b.t, "d0: chat to #a "+why, events[told].Text)
		require.Len(b.t, s.sent(), 2)
		b.pass(2 * time.Hour)
		require.Equal(b.t, store.Silenced, b.get("d0").State, "it is final")
	})
}

// TestOperatorsAreToldWhateverIsSilenced but by a silence that names just that.
func TestOperatorsAreToldWhateverIsSilenced(t *testing.T) {
	for rule, want := range map[string]store.DeliveryState{"": store.Delivered, "*": store.Delivered, "ops": store.Silenced} {
		t.Run(rule, func(t *testing.T) {
			run(t, &service{}, func(b *bench) {
				b.silence(time.Hour, func(s *delivery.Silence) { s.Match = delivery.SilenceMatch{Project: "*", Domain: "*", Rule: rule} })
				w := b.watch("w1")
				d := b.delivery(w, "d1", "#a")
				d.WatchID, d.Execution, d.Rule, d.Reason = delivery.OpsName, flyte.ExecutionID{}, delivery.OpsName, delivery.OpsName
				require.NoError(b.t, b.store.Write(b.t.Context(), store.Change{At: time.Now().UTC(), Deliveries: []store.Delivery{d}}))
				b.start()
				b.pass(5 * time.Second)
				require.Equal(b.t, want, b.get("d1").State)
			})
		})
	}
}

func TestASilencedServiceIsNotEvenAsked(t *testing.T) {
	s := &service{names: func(*place) (notifier.Resolved, error) {
		return notifier.Resolved{}, notifier.Permanent.Errorf("channel_not_found")
	}}
	run(t, resolving{s}, func(b *bench) {
		b.silence(time.Hour)
		b.start()
		ids := b.add("w1", "#a")
		b.pass(time.Second)
		require.Equal(b.t, store.Silenced, b.get(ids[0]).State)
	})
}

func TestASilenceIsObeyedWithinSecondsAndAsLongAsItLasts(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.start()
		b.pass(time.Second)
		require.Equal(b.t, store.Delivered, b.oneOf("before"))
		b.silence(time.Hour)
		b.pass(3 * time.Second)
		require.Equal(b.t, store.Silenced, b.oneOf("meanwhile"))
		b.pass(50 * time.Minute)
		require.Equal(b.t, store.Silenced, b.oneOf("still"))
		b.pass(10 * time.Minute)
		require.Equal(b.t, store.Delivered, b.oneOf("over"))
		made := b.silence(time.Hour, func(s *delivery.Silence) { s.From = time.Now().Add(10 * time.Minute).UTC() })
		b.pass(3 * time.Second)
		require.Equal(b.t, store.Delivered, b.oneOf("not yet"))
		b.pass(10 * time.Minute)
		require.Equal(b.t, store.Silenced, b.oneOf("from"))
		_, ended, err := delivery.ExpireSilence(b.t.Context(), b.store, made.ID, time.Now().UTC())
		require.NoError(b.t, err)
		require.True(b.t, ended)
		b.pass(3 * time.Second)
		require.Equal(b.t, store.Delivered, b.oneOf("expired"))
	})
}

func TestARedrivenDeliveryIsSentWhateverIsSilenced(t *testing.T) {
	var busy atomic.Bool
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		if busy.Swap(false) {
			return notifier.Retry.Errorf("busy")
		}
		return nil
	}}
	run(t, s, func(b *bench) {
		b.silence(time.Hour)
		b.start()
		ids := b.add("w1", "#a", "#a")
		b.pass(time.Second)
		require.Equal(b.t, []store.DeliveryState{store.Silenced, store.Silenced}, b.states(ids))
		busy.Store(true)
		refused, err := b.store.Redrive(b.t.Context(), ids[:1], time.Now().UTC())
		require.NoError(b.t, err)
		require.Empty(b.t, refused)
		b.pass(20 * time.Second)
		require.Equal(b.t, []store.DeliveryState{store.Delivered, store.Silenced}, b.states(ids))
		require.Equal(b.t, 2, b.get(ids[0]).Attempts, "a failure in between changes nothing")
	})
}

// What had been held, and is released, was never judged.
func TestAReleasedDeliveryIsSilencedAndCanBeRedriven(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.silence(time.Hour)
		b.start()
		w := b.watch("w1")
		d := b.delivery(w, "d1", "#a")
		d.State, d.Bundle, d.HeldUntil = store.Held, "quiet", time.Now().Add(time.Minute).UTC()
		require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
		b.pass(time.Minute)
		require.NoError(b.t, b.store.Write(b.t.Context(), store.Change{At: time.Now().UTC(), Released: []store.Release{{ID: "d1"}}}))
		b.wake()
		b.pass(time.Second)
		require.Equal(b.t, store.Silenced, b.get("d1").State)
		_, err := b.store.Redrive(b.t.Context(), []string{"d1"}, time.Now().UTC())
		require.NoError(b.t, err)
		b.pass(5 * time.Second)
		require.Equal(b.t, store.Delivered, b.get("d1").State)
	})
}

// A message that may be there already is no message that can be held back.
func TestAnUnknownOutcomeIsLookedUpBeforeASilenceIsObeyed(t *testing.T) {
	for name, tc := range map[string]struct {
		arrived bool
		look    error
		want    store.DeliveryState
	}{
		"arrived":         {arrived: true, want: store.Delivered},
		"did not":         {want: store.Silenced},
		"nobody can look": {look: notifier.ErrLookImpossible, want: store.Silenced},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{look: tc.look}
			run(t, lookable{s}, func(b *bench) {
				ids := b.add("w1", "#a")
				_, err := b.store.Begin(b.t.Context(), ids[0], 0, time.Now().UTC(), nil)
				require.NoError(b.t, err)
				if tc.arrived {
					_, err := s.Send(b.t.Context(), &place{Channel: "#a"}, notifier.Message{Key: ids[0]})
					require.NoError(b.t, err)
				}
				b.silence(time.Hour)
				b.start() // the process that was killed comes back, or another has its job
				b.pass(40 * time.Second)
				d := b.get(ids[0])
				require.Equal(b.t, tc.want, d.State)
				require.Equal(b.t, 1, d.Attempts)
				require.False(b.t, d.Double, "it is not sent again")
				require.Equal(b.t, 1, s.asked())
				require.Equal(b.t, tc.arrived, len(s.sent()) == 1)
			})
		})
	}
}

// What waits for a token, or for a service that wants to be left alone, is judged when its turn comes.
func TestWhatWaitedIsJudgedAnew(t *testing.T) {
	for name, hold := range map[string]bool{"for a token": false, "for the end of a hold": true} {
		t.Run(name, func(t *testing.T) {
			var calls tally
			s := &service{send: func(context.Context, *place, notifier.Message) error {
				if calls.note() == 1 && hold {
					return notifier.RetryAfter(time.Minute, errors.New("slow down"))
				}
				return nil
			}}
			run(t, s, func(b *bench) {
				if !hold {
					b.conns[0].Rate = notifier.Rate{PerSecond: 1.0 / 30, Burst: 1}
				}
				b.start()
				ids := b.add("w1", "#a")
				b.pass(time.Second)
				ids = append(ids, b.add("w2", "#a")...)
				b.pass(time.Second)
				b.silence(time.Hour, ofName("w2"))
				b.pass(2 * time.Minute)
				require.Equal(b.t, []store.DeliveryState{store.Delivered, store.Silenced}, b.states(ids))
			})
		})
	}
}

// forgetful is a store that cannot read silences now and then.
type forgetful struct {
	delivery.Store
	fails atomic.Bool
	asked atomic.Int32
}

func (f *forgetful) AllNotes(ctx context.Context, kind, after string, limit int) ([]store.Note, error) {
	f.asked.Add(1)
	if f.fails.Load() {
		return nil, errors.New("disk on fire")
	}
	return f.Store.AllNotes(ctx, kind, after, limit)
}

// warnings counts lines of a log.
type warnings struct {
	slog.Handler
	tally
}

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "silences cannot be read; those known hold on" {
		w.note()
	}
	return nil
}
func (w *warnings) Enabled(context.Context, slog.Level) bool { return true }

// startOn starts an outbox on another store than the bench's.
func (b *bench) startOn(s delivery.Store, log slog.Handler) {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.outbox = delivery.New(delivery.Options{
		Store: s, Registry: notifier.NewRegistry(manifest()), Connections: notifier.NewConnections(b.conns, nil),
		Config: b.config, Metrics: prometheus.NewRegistry(), Log: slog.New(log),
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.outbox.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	b.stop = func() { cancel(); wg.Wait() }
}

func TestWhileTheStoreFailsTheSilencesKnownHoldOn(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		told := &warnings{Handler: slog.DiscardHandler}
		f := &forgetful{Store: b.store}
		f.fails.Store(true)
		b.silence(time.Hour, ofName("quiet*"))
		b.startOn(f, told)
		early := append(b.add("quiet0", "#a"), b.add("loud0", "#b")...)
		b.pass(10 * time.Second)
		require.Equal(b.t, []store.DeliveryState{store.Pending, store.Pending}, b.states(early), "who knows what is silenced?")
		require.Equal(b.t, 1, told.count(), "it is told once")
		f.fails.Store(false)
		b.pass(5 * time.Second)
		require.Equal(b.t, []store.DeliveryState{store.Silenced, store.Delivered}, b.states(early))

		f.fails.Store(true)
		b.pass(time.Minute)
		require.Equal(b.t, store.Silenced, b.oneOf("quiet1"))
		require.Equal(b.t, store.Delivered, b.oneOf("loud1"))
		b.pass(5 * time.Second)
		require.Equal(b.t, store.Delivered, b.oneOf("loud2"))
		require.Equal(b.t, 2, told.count())
		b.pass(time.Hour)
		require.Equal(b.t, store.Delivered, b.oneOf("quiet2"), "it is over all the same")
	})
}

func TestAnIdleOutboxAsksForNoSilences(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		f := &forgetful{Store: b.store}
		b.startOn(f, slog.DiscardHandler)
		b.pass(time.Hour)
		require.Zero(b.t, f.asked.Load())
		for i := range 50 {
			b.add(fmt.Sprint("w", i), "#a")
		}
		b.pass(time.Second)
		require.Len(b.t, s.sent(), 50)
		require.EqualValues(b.t, 1, f.asked.Load())
		b.pass(time.Hour)
		require.EqualValues(b.t, 1, f.asked.Load())
	})
}

func TestServersOnPostgresObeyASilence(t *testing.T) {
	t.Parallel()
	s := &service{}
	w := onPostgres(t, s)
	w.start()
	w.start()
	w.awaitDelivered(soon, w.add("early", "#a")...)
	now := time.Now().UTC()
	made, err := delivery.AddSilence(t.Context(), w.store, silence(ofName("quiet*"), func(s *delivery.Silence) { s.CreatedAt, s.Until = now, now.Add(time.Hour) }))
	require.NoError(t, err)
	w.await(soon, "what servers knew before is forgotten", func() bool { return time.Since(now) > 3*time.Second })
	ids := w.add("quiet", "#a", "#b", "#a", "#a")
	for _, id := range ids {
		w.awaitThat(soon, id, id, func(d store.Delivery) bool { return d.State == store.Silenced })
	}
	require.Contains(t, w.get(ids[0]).LastError, "silenced by "+made.ID)
	w.awaitDelivered(soon, w.add("loud", "#a")...)
	refused, err := w.store.Redrive(t.Context(), ids[1:3], time.Now().UTC())
	require.NoError(t, err)
	require.Empty(t, refused)
	w.awaitDelivered(soon, ids[1:3]...)
	require.Equal(t, store.Silenced, w.get(ids[3]).State)
}
