package executor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// ofSteps are so many destinations.
func ofSteps(n int) (all []spec.Step) {
	for range n {
		all = append(all, spec.Step{Kind: "stdout", Destination: json.RawMessage(`{}`)})
	}
	return all
}

// falling is a rule with two destinations and a fallback.
func falling(edits ...func(*spec.Rule)) []spec.Rule {
	return []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED"}}, append([]func(*spec.Rule){func(r *spec.Rule) {
		r.Send, r.Fallback = ofSteps(2), ofSteps(1)
	}}, edits...)...)}
}

// settle records what became of a delivery, as the outbox does; tell says whether the executor hears of it.
func (b *bench) settle(d store.Delivery, state store.DeliveryState, tell bool) {
	now := time.Now().UTC()
	require.NoError(b.t, b.store.Settle(b.t.Context(), d.ID, store.Outcome{State: state, At: now, LastError: "channel_not_found", Event: store.Event{At: now, Kind: string(state)}}))
	if d.State = state; tell {
		b.exec.Settled(d)
	}
}

// failed is an execution that has failed, with the deliveries that were made of it.
func (b *bench) failed(name string, rules []spec.Rule) []store.Delivery {
	b.admin.set(name, "FAILED", started, ends)
	w := b.register(name, rules)
	b.rounds(1)
	return b.of(w.ID)
}

func (b *bench) of(watch string) []store.Delivery {
	all, err := b.store.WatchDeliveries(b.t.Context(), watch)
	require.NoError(b.t, err)
	return all
}

// waitingFallbacks are the notes of fallbacks.
func (b *bench) waitingFallbacks() []store.Note {
	notes, err := b.store.AllNotes(b.t.Context(), "fallback", "", 100)
	require.NoError(b.t, err)
	return notes
}

func TestAFallbackIsSentOnceAllOthersAreDead(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		all := b.failed("f1", falling())
		require.Equal(t, []store.DeliveryState{store.Pending, store.Pending, store.Held}, states(all))
		require.True(t, strings.HasSuffix(all[2].Key, "|ml/production/f1|failed|phase:FAILED|0|fallback[0]"), all[2].Key)
		b.settle(all[0], store.Dead, true)
		b.pass(3 * time.Minute)
		require.Equal(t, store.Held, b.of(all[0].WatchID)[2].State, "one may still arrive")
		b.settle(all[1], store.Dead, true)
		b.pass(time.Millisecond)
		require.Equal(t, store.Pending, b.of(all[0].WatchID)[2].State, "at once")
		require.Empty(t, b.waitingFallbacks())
		b.pass(time.Hour)
		require.Len(t, b.deliveries(), 3)
	})
}

func TestAFallbackIsSentThoughNobodyToldOfTheDeath(t *testing.T) {
	run(t, func(b *bench) {
		all := b.failed("f1", falling())
		b.settle(all[0], store.Dead, false)
		b.stop() // killed between the death and the look
		b.settle(all[1], store.Dead, false)
		b.start()
		b.pass(time.Second)
		require.Equal(t, []store.DeliveryState{store.Dead, store.Dead, store.Pending}, states(b.of(all[0].WatchID)), "by who starts, at once")
	})
}

func TestAFallbackIsNotNeededWhereAMessageIsNotDead(t *testing.T) {
	run(t, func(b *bench) {
		for i, state := range []store.DeliveryState{store.Delivered, store.Silenced, store.Superseded} {
			all := b.failed([]string{"f1", "f2", "f3"}[i], falling())
			b.settle(all[0], store.Dead, true)
			b.settle(all[1], state, false)
			b.pass(time.Minute + time.Second)
			last := b.of(all[0].WatchID)[2]
			require.Equal(t, store.Superseded, last.State)
			require.Equal(t, "not needed: "+all[1].ID+" is "+string(state), last.LastError)
			require.Empty(t, b.waitingFallbacks())
		}
	})
}

func TestARedrivenMessageKeepsTheFallbackWaiting(t *testing.T) {
	run(t, func(b *bench) {
		all := b.failed("f1", falling())
		b.settle(all[0], store.Dead, true)
		_, err := b.store.Redrive(b.t.Context(), []string{all[0].ID}, time.Now().UTC())
		require.NoError(t, err)
		b.settle(all[1], store.Dead, true)
		b.pass(2 * time.Minute)
		require.Equal(t, store.Held, b.of(all[0].WatchID)[2].State)
		b.settle(all[0], store.Delivered, false)
		b.pass(time.Minute + time.Second)
		require.Equal(t, store.Superseded, b.of(all[0].WatchID)[2].State)
	})
}

func TestAFallbackOfWhatIsDeadFromTheStartDoesNotWait(t *testing.T) {
	run(t, func(b *bench) {
		all := b.failed("f1", falling(func(r *spec.Rule) {
			r.Send = []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{"x": "no such key"}`)}}
		}))
		require.Equal(t, []store.DeliveryState{store.Dead, store.Pending}, states(all))
		require.Empty(t, b.waitingFallbacks())
	})
}

func TestAPhaseThatComesBackMakesNoSecondFallback(t *testing.T) {
	run(t, func(b *bench) {
		all := b.failed("f1", falling())
		for range 3 {
			b.admin.set("f1", "RUNNING")
			b.rounds(1)
			b.admin.set("f1", "FAILED")
			b.rounds(1)
		}
		require.Len(t, b.waitingFallbacks(), 1)
		require.Len(t, b.deliveries(), 3)
		b.settle(all[0], store.Dead, true)
		b.settle(all[1], store.Dead, true)
		b.pass(time.Second)
		b.admin.set("f1", "RUNNING")
		b.rounds(1)
		b.admin.set("f1", "FAILED")
		b.rounds(1)
		b.pass(2 * time.Minute)
		require.Equal(t, []store.DeliveryState{store.Dead, store.Dead, store.Pending}, states(b.of(all[0].WatchID)))
		require.Empty(t, b.waitingFallbacks())
	})
}

func TestRemindersAndEscalationsHaveTheirOwnFallback(t *testing.T) {
	run(t, func(b *bench) {
		all := b.failed("f1", falling(every(10*time.Minute, 2), func(r *spec.Rule) {
			r.Send = ofSteps(1)
			r.Escalate = []spec.Escalation{{After: time.Minute, Send: ofSteps(1)}}
		}))
		b.settle(all[0], store.Delivered, false)
		b.pass(2 * time.Minute)
		all = b.of(all[0].WatchID)
		require.Len(t, all, 4)
		require.True(t, strings.HasSuffix(all[3].Key, "|0|escalate[0].fallback[0]"), all[3].Key)
		b.settle(all[2], store.Dead, true)
		b.pass(9 * time.Minute)
		all = b.of(all[0].WatchID)
		require.True(t, strings.HasSuffix(all[5].Key, "|1|fallback[0]"), all[5].Key)
		require.Equal(t, []store.DeliveryState{store.Delivered, store.Superseded, store.Dead, store.Pending, store.Pending, store.Held}, states(all))
		_, err := executor.Acknowledge(b.t.Context(), b.store, id("f1"), time.Now().UTC())
		require.NoError(t, err)
		b.pass(2 * time.Minute)
		require.Equal(t, store.Superseded, b.of(all[0].WatchID)[5].State, "what it waits for is taken back")
		require.Empty(t, b.waitingFallbacks())
	})
}

func TestTheFallbackOfADigestIsOneMessage(t *testing.T) {
	run(t, func(b *bench) {
		rules := falling(func(r *spec.Rule) {
			r.Send, r.Group = ofSteps(1), &spec.Group{Wait: 30 * time.Second, Every: time.Minute}
		})
		custom := func(x *flyte.Execution) { started(x); ends(x) }
		b.subs = []spec.Subscription{{Name: "s", Match: spec.Match{}, Rules: rules, CatchUp: spec.CatchUpSend}}
		require.NoError(t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: b.subs}))
		b.pass(time.Second)
		for _, name := range []string{"f1", "f2", "f3"} {
			b.admin.set(name, "FAILED", custom)
		}
		b.pass(2 * time.Minute)
		all := b.deliveries()
		require.Len(t, all, 6)
		var digest store.Delivery
		fates := map[store.DeliveryState]int{}
		for _, d := range all {
			fates[d.State]++
			if d.State == store.Pending {
				digest = d
			}
		}
		require.Equal(t, map[store.DeliveryState]int{store.Pending: 1, store.Superseded: 2, store.Held: 3}, fates)
		b.settle(digest, store.Dead, true)
		b.pass(time.Second)
		var told []string
		for _, d := range b.deliveries() {
			if d.State == store.Pending {
				told = append(told, titled(t, d))
			}
		}
		require.Equal(t, []string{"3 messages: 3 × FAILED"}, told)
		require.Empty(t, b.waitingFallbacks())
	})
}

func TestAFallbackKeepsQuiet(t *testing.T) {
	long(t)
	run(t, func(b *bench) { // a bubble's clock begins at midnight, UTC
		var q spec.Span
		require.NoError(t, q.UnmarshalText([]byte("00:30-01:00")))
		all := b.failed("f1", falling(func(r *spec.Rule) { r.Quiet = &spec.Quiet{Times: []spec.Span{q}} }))
		b.pass(40 * time.Minute)
		b.settle(all[0], store.Dead, true)
		b.settle(all[1], store.Dead, true)
		b.pass(10 * time.Minute)
		require.Equal(t, store.Held, b.of(all[0].WatchID)[2].State)
		b.pass(10 * time.Minute)
		require.Equal(t, store.Pending, b.of(all[0].WatchID)[2].State)
	})
}

func TestTwoServersSendOneFallback(t *testing.T) {
	run(t, func(b *bench) {
		_, stop := b.execute()
		defer stop()
		all := b.failed("f1", falling())
		b.settle(all[0], store.Dead, false)
		b.settle(all[1], store.Dead, false)
		b.pass(2 * time.Minute)
		require.Equal(t, []store.DeliveryState{store.Dead, store.Dead, store.Pending}, states(b.of(all[0].WatchID)))
		require.Empty(t, b.waitingFallbacks())
	})
}

func TestNobodyWaitsForAFallbackThatIsNotNeeded(t *testing.T) {
	for _, state := range []store.DeliveryState{store.Delivered, store.Silenced, store.Superseded} {
		t.Run(string(state), func(t *testing.T) {
			run(t, func(b *bench) {
				all := b.failed("f1", falling())
				b.settle(all[0], state, true)
				b.pass(time.Millisecond)
				require.Equal(t, []store.DeliveryState{state, store.Pending, store.Superseded}, states(b.of(all[0].WatchID)), "at once")
				require.Empty(t, b.waitingFallbacks())
			})
		})
	}
}

func TestADeadMessageThatIsGoneWasDead(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		all := b.failed("f1", falling())
		b.settle(all[0], store.Dead, true)
		b.pass(2 * time.Hour)
		now := time.Now().UTC()
		gone, err := b.store.Purge(b.t.Context(), now.Add(-time.Hour), now.Add(-time.Hour), 10)
		require.NoError(t, err)
		require.Equal(t, 1, gone)
		b.pass(time.Hour)
		b.settle(all[1], store.Dead, true)
		b.pass(time.Millisecond)
		require.Equal(t, []store.DeliveryState{store.Dead, store.Pending}, states(b.of(all[0].WatchID)))
	})
}

func TestWhatBecameOfAMessageThatNobodySawIsLongPast(t *testing.T) {
	run(t, func(b *bench) {
		all := b.failed("f1", falling())
		b.stop()
		b.settle(all[0], store.Dead, false)
		b.pass(2 * time.Hour)
		now := time.Now().UTC()
		_, err := b.store.Purge(b.t.Context(), now.Add(-time.Hour), now.Add(-time.Hour), 10)
		require.NoError(t, err)
		b.start()
		b.pass(time.Second)
		last := b.of(all[0].WatchID)[1]
		require.Equal(t, store.Superseded, last.State)
		require.Equal(t, "not needed: what became of "+all[0].ID+" is long past", last.LastError)
	})
}

func TestAnEditedRuleTellsItsNewPlaceAsWell(t *testing.T) {
	run(t, func(b *bench) {
		b.subscribe(to("s", falling()...))
		b.admin.set("f1", "FAILED", started, ends)
		b.rounds(2)
		b.subscribe(to("s", falling(func(r *spec.Rule) { r.Send, r.Fallback = ofSteps(3), ofSteps(2) })...))
		b.admin.set("f1", "RUNNING")
		b.rounds(1)
		b.admin.set("f1", "FAILED")
		b.rounds(1)
		require.Equal(t, map[store.DeliveryState]int{store.Pending: 3, store.Held: 2}, b.fates())
		var sends []store.Delivery
		for _, d := range b.deliveries() {
			if d.State == store.Pending {
				sends = append(sends, d)
			}
		}
		for i, d := range sends {
			require.Equal(t, 2, b.fates()[store.Held], "%d are dead", i)
			b.settle(d, store.Dead, true)
			b.pass(time.Second)
		}
		require.Equal(t, map[store.DeliveryState]int{store.Dead: 3, store.Pending: 2}, b.fates())
		require.Empty(t, b.waitingFallbacks())
	})
}

func TestWhatWaitsForLongIsSeldomLookedAt(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		s := b.fail()
		all := b.failed("f1", falling())
		s.armed.Store(true)
		b.pass(time.Hour)
		require.LessOrEqual(t, s.reads.Load(), int64(30))
		require.GreaterOrEqual(t, s.reads.Load(), int64(20))
		s.reads.Store(0)
		s.writes.Store(0)
		b.pass(3 * time.Hour)
		require.LessOrEqual(t, s.reads.Load(), int64(24))
		require.GreaterOrEqual(t, s.reads.Load(), int64(18), "a server may have died with what it knew")
		require.Equal(t, s.reads.Load(), s.writes.Load())
		s.reads.Store(0)
		other := b.failed("f2", falling())
		s.writes.Store(0)
		b.settle(other[0], store.Dead, true)
		b.pass(time.Second)
		require.Equal(t, int64(1), s.writes.Load(), "that it is dead")
		for range 50 {
			b.exec.Settled(other[0])
		}
		b.pass(time.Second)
		require.Equal(t, int64(1), s.writes.Load(), "its time is not changed")
		require.LessOrEqual(t, s.reads.Load(), int64(2), "all at once")
		require.Equal(t, store.Held, b.of(all[0].WatchID)[2].State)
	})
}

func TestAFloodOfDeadDigestsIsLookedAtTogether(t *testing.T) {
	run(t, func(b *bench) {
		s := b.fail()
		digest := b.gathered("f1", "f2", "f3")
		b.failed("g1", falling())
		b.pass(2 * time.Minute)
		s.armed.Store(true)
		b.settle(digest, store.Delivered, false)
		digest.State = store.Dead // as another's would be
		for range 500 {
			b.exec.Settled(digest)
		}
		b.pass(5 * time.Second)
		require.LessOrEqual(t, s.reads.Load(), int64(6))
	})
}
