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

// operators are told of what dies in a store.
func (b *bench) operators() (ops *delivery.Ops, stop func()) {
	ops = delivery.NewOps(delivery.OpsOptions{
		Store: b.store, Registry: notifier.NewRegistry(manifest()), Inserted: func() {}, Log: slog.New(slog.DiscardHandler),
		Steps: []spec.Step{{Kind: "chat", Connection: "team", Destination: json.RawMessage(`{"channel": "#ops"}`), Path: "ops[0].chat"}},
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
		now := time.Now().UTC()
		require.NoError(b.t, b.store.Settle(b.t.Context(), all[0].ID, store.Outcome{State: store.Dead, At: now, Event: store.Event{At: now, Kind: "dead"}}))
		ops.Died(b.get(all[0].ID))
		b.pass(time.Hour)
		all, _ = b.alerts()
		require.Len(b.t, all, 1)
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
