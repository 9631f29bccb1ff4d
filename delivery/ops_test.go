package delivery_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// toOperators are steps to channels.
func toOperators(channels ...string) (steps []spec.Step) {
	for _, c := range channels {
		steps = append(steps, spec.Step{Kind: "chat", Connection: "team", Destination: json.RawMessage(`{"channel": "` + c + `"}`), Path: "ops[0].chat"})
	}
	return steps
}

// operators are told of what dies in a store, in #ops unless channels are given.
func (b *bench) operators(channels ...string) (ops *delivery.Ops, stop func()) {
	if len(channels) == 0 {
		channels = []string{"#ops"}
	}
	ops = delivery.NewOps(delivery.OpsOptions{
		Store: b.store, Registry: notifier.NewRegistry(manifest()), Inserted: func() {}, Log: slog.New(slog.DiscardHandler), Steps: toOperators(channels...),
	})
	ctx, cancel := context.WithCancel(b.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ops.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	return ops, func() { cancel(); wg.Wait() }
}

// die makes deliveries and has them given up with an error.
func (b *bench) die(told *delivery.Ops, watch, why string, n int) {
	for range n {
		d := b.get(b.add(watch, "#a")[0])
		now := time.Now().UTC()
		require.NoError(b.t, b.store.Settle(b.t.Context(), d.ID, store.Outcome{
			State: store.Dead, LastError: why, At: now, Event: store.Event{At: now, Kind: "dead"},
		}))
		if told != nil {
			told.Died(b.get(d.ID))
		}
	}
}

// alerts are the messages to the operators.
func (b *bench) alerts() (all []store.Delivery, bodies []string) {
	require.NoError(b.t, b.store.Deliveries(b.t.Context(), store.Filter{}, func(d store.Delivery) error {
		if d.WatchID != "ops" {
			return nil
		}
		c, err := render.Unmarshal(d.Content)
		require.NoError(b.t, err)
		m, err := render.Message(c, d.ID)
		require.NoError(b.t, err)
		require.Equal(b.t, notifier.Failure, m.Status)
		all, bodies = append(all, d), append(bodies, m.Title+"\n"+m.Body)
		return nil
	}))
	return all, bodies
}

// becomes settles an alert.
func (b *bench) becomes(ops *delivery.Ops, alert store.Delivery, state store.DeliveryState) {
	now := time.Now().UTC()
	require.NoError(b.t, b.store.Settle(b.t.Context(), alert.ID, store.Outcome{State: state, At: now, Event: store.Event{At: now, Kind: string(state)}}))
	if state == store.Dead {
		ops.Died(b.get(alert.ID))
	}
}

func TestOperatorsAreToldOfDeathsOnceAMinute(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		b.die(nil, "w0", "history", 3)
		b.pass(time.Minute)
		ops, stop := b.operators()
		defer stop()
		b.pass(time.Second)
		b.die(ops, "w1", "channel_not_found {{.Error}}", 7)
		b.die(ops, "w2", "token_revoked", 2)
		b.pass(6 * time.Second)
		all, bodies := b.alerts()
		require.Len(b.t, all, 1)
		require.Equal(b.t, "#ops", all[0].Address)
		require.True(b.t, strings.HasPrefix(bodies[0], "9 messages could not be delivered\nGiven up since "), bodies[0])
		require.Contains(b.t, bodies[0], "team (chat), 7: channel_not_found {{.Error}}\n  flyte-notifier redrive d4 d5 d6 d7 d8 (and 2 more)\n")
		require.Contains(b.t, bodies[0], "team (chat), 2: token_revoked\n  flyte-notifier redrive d11 d12\n")
		require.NotContains(b.t, bodies[0], "history")
		b.becomes(ops, all[0], store.Delivered)
		for range 50 {
			b.die(ops, "w3", "busy", 1)
			b.pass(time.Second)
		}
		all, _ = b.alerts()
		require.Len(b.t, all, 1)
		b.pass(time.Minute)
		_, bodies = b.alerts()
		require.Len(b.t, bodies, 2)
		require.Contains(b.t, bodies[1], "50 messages")
		b.pass(time.Hour)
		_, bodies = b.alerts()
		require.Len(b.t, bodies, 2, "nothing is told twice")
	})
}

func TestOperatorsAreToldAfterARestart(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		ops, stop := b.operators()
		b.pass(time.Second)
		b.die(ops, "w1", "busy", 1)
		stop() // before it could tell
		b.die(nil, "w1", "busy", 1)
		b.pass(time.Hour)
		_, stop = b.operators()
		b.pass(time.Second)
		_, bodies := b.alerts()
		require.Len(b.t, bodies, 1)
		require.Contains(b.t, bodies[0], "2 messages")
		stop()
		_, stop = b.operators()
		defer stop()
		b.pass(time.Hour)
		_, bodies = b.alerts()
		require.Len(b.t, bodies, 1)
	})
}

func TestOneOfSeveralServersTellsTheOperators(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		one, stopOne := b.operators()
		two, stopTwo := b.operators()
		defer stopOne()
		defer stopTwo()
		b.pass(time.Second)
		b.die(one, "w1", "busy", 1)
		b.die(two, "w2", "busy", 1)
		b.pass(5 * time.Minute)
		_, bodies := b.alerts()
		require.Len(b.t, bodies, 1)
		require.Contains(b.t, bodies[0], "2 messages")
	})
}

func TestDeathsOfAlertsAreToldToNobody(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		ops, stop := b.operators()
		defer stop()
		b.pass(time.Second)
		b.die(ops, "w1", "busy", 1)
		b.pass(10 * time.Second)
		all, _ := b.alerts()
		b.becomes(ops, all[0], store.Dead)
		b.pass(time.Hour)
		all, _ = b.alerts()
		require.Len(b.t, all, 1)
	})
}

func TestAlertsDoNotPileUpWhileTheirConnectionIsAway(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		ops, stop := b.operators("#ops", "#well")
		defer stop()
		b.pass(time.Second)
		well := 0
		for i := range 180 {
			b.die(ops, "w1", "busy", 1)
			b.pass(time.Minute)
			all, _ := b.alerts()
			for _, d := range all {
				if d.Address == "#well" && d.State == store.Pending {
					b.becomes(ops, d, store.Delivered)
					well++
				}
			}
			require.Len(b.t, all, 1+well, i)
		}
		require.Greater(b.t, well, 80, "the other one is told all the time")
		away, bodies := b.one("#ops")
		require.Contains(b.t, bodies, "1 message ")
		b.becomes(ops, away, store.Delivered)
		b.pass(2 * time.Minute)
		_, bodies = b.one("#ops")
		require.Contains(b.t, bodies, "179 messages", "what died while it waited")
	})
}

// one is the last alert to a channel.
func (b *bench) one(channel string) (last store.Delivery, body string) {
	all, bodies := b.alerts()
	for i, d := range all {
		if d.Address == channel {
			last, body = d, bodies[i]
		}
	}
	return last, body
}

func TestWhatADeadAlertToldIsToldAgain(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		ops, stop := b.operators()
		defer stop()
		b.pass(time.Second)
		b.die(ops, "w1", "busy", 2)
		b.pass(time.Hour)
		alert, _ := b.one("#ops")
		b.becomes(ops, alert, store.Dead)
		b.pass(time.Hour)
		all, _ := b.alerts()
		require.Len(b.t, all, 1, "not by itself: it would die as well")
		b.die(ops, "w2", "gone", 1)
		b.pass(10 * time.Second)
		_, body := b.one("#ops")
		require.Contains(b.t, body, "3 messages")
		for range 30 { // a channel that is not there
			if alert, _ = b.one("#ops"); alert.State == store.Pending {
				b.becomes(ops, alert, store.Dead)
			}
			b.die(ops, "w3", "gone", 1)
			b.pass(time.Minute)
		}
		all, _ = b.alerts()
		require.InDelta(b.t, 5, len(all), 1, "one in ten minutes")
		for range 3 { // it is there again
			if alert, _ = b.one("#ops"); alert.State == store.Pending {
				b.becomes(ops, alert, store.Delivered)
			}
			b.pass(20 * time.Minute)
		}
		_, body = b.one("#ops")
		require.Contains(b.t, body, "33 messages", "all that no alert has told yet")
		b.die(ops, "w4", "gone", 1)
		b.pass(time.Minute)
		_, body = b.one("#ops")
		require.Contains(b.t, body, "1 message ")
	})
}

func TestAnotherDestinationIsToldWhatTheLastOneWasNot(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		ops, stop := b.operators()
		defer stop()
		b.pass(time.Second)
		b.die(ops, "w1", "busy", 2)
		b.pass(time.Minute)
		first, _ := b.one("#ops")
		b.becomes(ops, first, store.Delivered)
		b.die(ops, "w2", "busy", 3)
		b.pass(time.Minute)
		last, body := b.one("#ops")
		require.Contains(b.t, body, "3 messages")
		b.becomes(ops, last, store.Dead)
		ops.Reload(toOperators("#other"))
		b.pass(time.Minute)
		_, body = b.one("#other")
		require.Contains(b.t, body, "3 messages", "not the two that #ops has got")
		ops.Reload(toOperators("#other", "#more"))
		b.pass(time.Hour)
		_, body = b.one("#more")
		require.Empty(b.t, body, "all before is history")
		b.die(ops, "w3", "busy", 4)
		b.pass(time.Minute)
		_, body = b.one("#more")
		require.Contains(b.t, body, "4 messages")
	})
}

func TestALookFindsDeathsThatNobodyToldOf(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		_, stop := b.operators()
		defer stop()
		b.pass(time.Second)
		b.die(nil, "w1", "render destination", 1)
		b.pass(6 * time.Minute)
		_, bodies := b.alerts()
		require.Len(b.t, bodies, 1)
	})
}

func TestTheOutboxTellsOfDeaths(t *testing.T) {
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		return notifier.Permanent.Errorf("channel_not_found")
	}
	run(t, s, func(b *bench) {
		died := make(chan store.Delivery, 1)
		b.settled = func(d store.Delivery) { died <- d }
		b.start()
		ids := b.add("w1", "#a")
		d := <-died
		require.Equal(b.t, ids[0], d.ID)
		require.Equal(b.t, store.Dead, d.State)
		require.Equal(b.t, "channel_not_found", d.LastError)
		require.Equal(b.t, store.Dead, b.get(d.ID).State, "it is stored by then")
	})
}
