package executor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestWhatMustLastIsToldOnceItHas(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		w := b.register("f1", []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED"}}, func(r *spec.Rule) { r.For = 5 * time.Minute })})
		b.rounds(1)
		b.admin.set("f1", "FAILED", ends)
		b.pass(2 * time.Minute)
		b.admin.set("f1", "RUNNING")
		b.pass(6 * time.Minute)
		require.Empty(t, b.told(w.ID), "it came back")
		b.admin.set("f1", "FAILED", ends)
		b.pass(5 * time.Minute)
		require.Empty(t, b.told(w.ID))
		b.restart(time.Second)
		b.pass(time.Minute)
		require.Equal(t, []string{"failed phase:FAILED"}, b.told(w.ID))
		b.pass(10 * time.Minute)
		require.Len(t, b.told(w.ID), 1)
	})
}

func inhibited(r *spec.Rule) { r.Inhibit = true }

func TestAChildsFailureIsNotToldWhenItsParentFails(t *testing.T) {
	run(t, func(b *bench) {
		rule := []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED"}}, inhibited)}
		child := func(parent string) func(*flyte.Execution) {
			return func(x *flyte.Execution) { x.Parent = id(parent) }
		}
		b.admin.set("p1", "RUNNING", started)
		b.admin.set("p2", "RUNNING", started)
		b.admin.set("c1", "FAILED", started, child("p1"))
		b.admin.set("c2", "FAILED", started, child("p2"))
		b.admin.set("c3", "FAILED", started)
		c1, c2, c3 := b.register("c1", rule), b.register("c2", rule), b.register("c3", rule)
		b.rounds(2)
		require.Equal(t, []string{"failed phase:FAILED"}, b.told(c3.ID), "it has no parent")
		require.Empty(t, b.told(c1.ID))
		b.admin.set("p1", "FAILED", ends)
		b.pass(31 * time.Second)
		require.Empty(t, b.told(c1.ID), "the parent tells")
		require.Equal(t, []string{"failed phase:FAILED"}, b.told(c2.ID), "the parent goes on")
		b.pass(10 * time.Minute)
		require.Empty(t, b.told(c1.ID))
		require.Len(t, b.told(c2.ID), 1)
	})
}

func TestANodesFailureIsNotToldWhenItsExecutionFails(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "FAILED"})
		rule := []spec.Rule{when("node", spec.When{Kind: spec.WhenNode, NodeID: "n2", NodePhases: []string{"FAILED"}}, inhibited)}
		w := b.register("f1", rule)
		b.pass(15 * time.Second)
		require.Empty(t, b.told(w.ID))
		b.admin.set("f1", "FAILED", ends)
		b.pass(10 * time.Minute)
		require.Empty(t, b.told(w.ID))
	})
}

// deliveries are all of the store, oldest first.
func (b *bench) deliveries() (all []store.Delivery) {
	require.NoError(b.t, b.store.Deliveries(b.t.Context(), store.Filter{}, func(d store.Delivery) error {
		all = append(all, d)
		return nil
	}))
	return all
}

// titled is the title of a delivery's message.
func titled(t *testing.T, d store.Delivery) string {
	c, err := render.Unmarshal(d.Content)
	require.NoError(t, err)
	m, err := render.Message(c, d.ID)
	require.NoError(t, err)
	return m.Title
}

func TestQuietHoursHoldBackAndTellAtTheirEnd(t *testing.T) {
	run(t, func(b *bench) { // a bubble's clock begins at midnight, UTC
		var q spec.Span
		require.NoError(t, q.UnmarshalText([]byte("22:00-01:00")))
		rule := func(name string) []spec.Rule {
			return []spec.Rule{when(name, spec.When{Phases: []string{"FAILED"}}, func(r *spec.Rule) { r.Quiet = &spec.Quiet{Times: []spec.Span{q}} })}
		}
		for _, name := range []string{"f1", "f2"} {
			b.admin.set(name, "FAILED", of("nightly"), started, ends)
			b.register(name, rule("failed"))
			b.rounds(1)
		}
		b.admin.set("f3", "SUCCEEDED", of("nightly"), started, ends)
		b.register("f3", []spec.Rule{onPhases("done", "SUCCEEDED")})
		b.rounds(1)
		all := b.deliveries()
		require.Equal(t, []store.DeliveryState{store.Held, store.Held, store.Pending}, states(all), "others go out")
		require.Equal(t, "01:00", all[0].HeldUntil.Format("15:04"))
		b.restart(50 * time.Minute)
		b.pass(11 * time.Minute)
		all = b.deliveries()
		require.Equal(t, []store.DeliveryState{store.Pending, store.Superseded, store.Pending}, states(all))
		require.Equal(t, "2 messages: 2 × FAILED", titled(t, all[0]))
		require.Contains(t, all[1].LastError, "told in "+all[0].ID)

		b.admin.set("f4", "FAILED", of("nightly"), started, ends)
		b.register("f4", rule("failed"))
		b.rounds(1)
		require.Equal(t, store.Pending, b.deliveries()[3].State, "they are over")
	})
}

func TestOneMessageForAGroup(t *testing.T) {
	run(t, func(b *bench) {
		s := to("failures", when("failed", spec.When{Phases: []string{"FAILED"}}, func(r *spec.Rule) {
			r.Group = &spec.Group{By: []string{"launch_plan", "labels.team"}, Wait: 30 * time.Second, Every: 5 * time.Minute}
		}))
		b.subscribe(s)
		team := func(x *flyte.Execution) { x.Labels = map[string]string{"team": "ml"} }
		for _, name := range []string{"f1", "f2", "f3"} {
			b.admin.set(name, "FAILED", of("nightly"), team, ends)
		}
		b.admin.set("g1", "FAILED", of("weekly"), team, ends)
		b.admin.set("h1", "FAILED", of("nightly"), ends)
		b.rounds(3)
		require.Len(t, b.deliveries(), 5)
		for _, d := range b.deliveries() {
			require.Equal(t, store.Held, d.State)
		}
		b.pass(30 * time.Second)
		var titles []string
		for _, d := range b.deliveries() {
			if d.State == store.Pending {
				titles = append(titles, titled(t, d))
			}
		}
		require.ElementsMatch(t, []string{"3 messages: 3 × FAILED", "train FAILED", "train FAILED"}, titles)
		b.admin.set("f4", "FAILED", of("nightly"), team, ends)
		b.pass(time.Minute)
		require.Equal(t, store.Held, b.deliveries()[5].State, "not before five minutes after the last")
		b.pass(5 * time.Minute)
		require.Equal(t, store.Pending, b.deliveries()[5].State)
		b.restart(3 * time.Hour)
		b.rounds(2)
		notes, err := b.store.AllNotes(b.t.Context(), "window", "", 10)
		require.NoError(t, err)
		require.Empty(t, notes, "what is long over is forgotten")
	})
}

func TestCatchingUp(t *testing.T) {
	for policy, want := range map[string]struct {
		states []store.DeliveryState
		title  string
	}{
		spec.CatchUpSend:   {[]store.DeliveryState{store.Pending, store.Pending, store.Pending}, "train FAILED"},
		spec.CatchUpDigest: {[]store.DeliveryState{store.Pending, store.Superseded, store.Superseded}, "3 messages: 3 × FAILED"},
		spec.CatchUpSkip:   {nil, ""},
	} {
		t.Run(policy, func(t *testing.T) {
			run(t, func(b *bench) {
				s := to("failures", onPhases("failed", "FAILED"))
				s.CatchUp = policy
				b.subscribe(s)
				b.admin.set("f1", "RUNNING", of("nightly"), started)
				b.rounds(2)
				b.stop()
				b.admin.set("f1", "FAILED", ends)
				for _, name := range []string{"f2", "f3"} {
					b.admin.set(name, "FAILED", of("nightly"), ends)
				}
				b.pass(24 * time.Hour)
				b.admin.set("g1", "FAILED", of("weekly"), ends)
				b.start()
				require.NoError(t, b.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: b.subs}))
				b.pass(time.Minute)
				var late []store.Delivery
				for _, d := range b.deliveries() {
					if d.Execution.Name == "g1" {
						require.Equal(t, store.Pending, d.State)
						require.Empty(t, d.Bundle, "what has just happened is told as ever")
						continue
					}
					late = append(late, d)
				}
				require.Equal(t, want.states, states(late))
				if want.title != "" {
					require.Equal(t, want.title, titled(t, late[0]))
				}
			})
		})
	}
}

func TestAConnectionsQuietHours(t *testing.T) {
	run(t, func(b *bench) { // a bubble's clock begins at midnight, UTC
		var q spec.Span
		require.NoError(t, q.UnmarshalText([]byte("00:00-00:30")))
		require.NoError(t, b.exec.Subscribe(b.t.Context(), executor.Rules{Quiet: map[string]*spec.Quiet{"team": {Times: []spec.Span{q}}}}))
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.register("f1", []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED"}}, func(r *spec.Rule) {
			r.Send = append(r.Send, r.Send[0])
			r.Send[1].Connection = "team"
		})})
		b.rounds(1)
		require.Equal(t, []store.DeliveryState{store.Pending, store.Held}, states(b.deliveries()))
		b.pass(31 * time.Minute)
		require.Equal(t, []store.DeliveryState{store.Pending, store.Pending}, states(b.deliveries()))
	})
}

// Whatever somebody configures, what is held is sent.
func TestQuietHoursThatNeverEndTogetherHoldNothingForEver(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		noon, midnight := spec.Clock{Hour: 12}, spec.Clock{Hour: 24}
		morning, evening := &spec.Quiet{Times: []spec.Span{{To: noon}}}, &spec.Quiet{Times: []spec.Span{{From: noon, To: midnight}}}
		require.NoError(t, b.exec.Subscribe(b.t.Context(), executor.Rules{Quiet: map[string]*spec.Quiet{"team": morning}}))
		b.admin.set("f1", "FAILED", started)
		b.register("f1", []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED"}}, func(r *spec.Rule) {
			r.Quiet, r.Send[0].Connection = evening, "team"
		})})
		b.rounds(1)
		held := b.deliveries()[0]
		require.Equal(t, store.Held, held.State)
		require.WithinRange(t, held.HeldUntil, time.Now().Add(7*24*time.Hour), time.Now().Add(8*24*time.Hour))
		b.stop() // a server that runs for a week costs minutes
		b.pass(time.Until(held.HeldUntil) - time.Hour)
		b.exec, b.stop = b.execute()
		b.rounds(1)
		require.Equal(t, store.Held, b.deliveries()[0].State)
		b.pass(time.Hour)
		require.Equal(t, store.Pending, b.deliveries()[0].State)
	})
}
