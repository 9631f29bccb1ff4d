package executor_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// when is a rule with a condition that tells stdout.
func when(name string, w spec.When, edit ...func(*spec.Rule)) spec.Rule {
	r := onPhases(name)
	r.When = w
	for _, e := range edit {
		e(&r)
	}
	return r
}

func every(d time.Duration, most int) func(*spec.Rule) {
	return func(r *spec.Rule) { r.Repeat = &spec.Repeat{Every: d, Max: most} }
}

func runningFor(d time.Duration) spec.When { return spec.When{Kind: spec.WhenRunningFor, For: d} }

// started is an execution that was created and started now.
func started(x *flyte.Execution) { x.CreatedAt, x.StartedAt = time.Now().UTC(), time.Now().UTC() }

func TestTimersTellWhenTheirTimeHasCome(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "QUEUED", func(x *flyte.Execution) { x.CreatedAt = time.Now().UTC() })
		six := 8 * time.Minute
		w := b.register("f1", []spec.Rule{
			when("queue", spec.When{Kind: spec.WhenQueuedFor, For: 3 * time.Minute}),
			when("long", runningFor(6*time.Minute)),
			when("late", spec.When{Kind: spec.WhenDeadline, Deadline: &spec.Deadline{In: &six}}),
		})
		b.pass(3*time.Minute - time.Second)
		require.Empty(t, b.told(w.ID))
		b.pass(time.Second + 100*time.Millisecond)
		require.Equal(t, []string{"queue queued_for:3m0s"}, b.told(w.ID), "to the moment, whatever the interval is")
		b.admin.set("f1", "RUNNING", func(x *flyte.Execution) { x.StartedAt = time.Now().UTC() })
		b.pass(6*time.Minute + time.Second)
		require.Equal(t, []string{"queue queued_for:3m0s", "long running_for:6m0s"}, b.told(w.ID))
		b.pass(2 * time.Minute)
		require.Equal(t, []string{"queue queued_for:3m0s", "long running_for:6m0s", "late deadline:8m0s"}, b.told(w.ID))
		b.admin.set("f1", "SUCCEEDED")
		b.pass(5 * time.Minute)
		require.Len(t, b.told(w.ID), 3)
	})
}

func TestATimerThatEndedMeanwhileIsNotTold(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		b.admin.set("f2", "RUNNING", started)
		rules := []spec.Rule{when("long", runningFor(time.Hour))}
		gone, still := b.register("f1", rules), b.register("f2", rules)
		b.rounds(1)
		b.stop()
		b.admin.set("f1", "SUCCEEDED")
		b.pass(3 * time.Hour)
		b.start()
		b.rounds(1)
		require.Empty(t, b.told(gone.ID), "its condition holds no more")
		require.Equal(t, []string{"long running_for:1h0m0s"}, b.told(still.ID), "late, but it holds")
	})
}

func TestATimerWaitsForFlyteadmin(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		w := b.register("f1", []spec.Rule{when("long", runningFor(3*time.Minute))})
		b.rounds(1)
		b.admin.fail(errors.New("down"))
		b.pass(6 * time.Minute)
		require.Empty(t, b.told(w.ID))
		calls := b.admin.calls()
		b.pass(time.Minute)
		require.Less(t, b.admin.calls()-calls, 90, "it backs off")
		b.admin.fail(nil)
		b.pass(time.Minute)
		require.Equal(t, []string{"long running_for:3m0s"}, b.told(w.ID))
	})
}

func TestRemindersUntilItEnds(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		w := b.register("f1", []spec.Rule{when("long", runningFor(time.Minute), every(time.Minute, 0), func(r *spec.Rule) {
			r.Escalate = []spec.Escalation{{After: 150 * time.Second, Send: []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{}`)}}}}
		})})
		b.pass(4*time.Minute + time.Second)
		all, err := b.store.WatchDeliveries(b.t.Context(), w.ID)
		require.NoError(t, err)
		var keys []string
		for _, d := range all {
			keys = append(keys, d.Key)
		}
		const prefix = "|ml/production/f1|long|running_for:1m0s|"
		require.Equal(t, []string{
			w.ID + prefix + "0|send[0]", w.ID + prefix + "1|send[0]", w.ID + prefix + "2|send[0]",
			w.ID + prefix + "0|escalate[0].send[0]", w.ID + prefix + "3|send[0]",
		}, keys)
		require.Equal(t, store.Superseded, all[1].State, "a later reminder tells more")
		b.admin.set("f1", "SUCCEEDED")
		b.pass(5 * time.Minute)
		all, err = b.store.WatchDeliveries(b.t.Context(), w.ID)
		require.NoError(t, err)
		require.Len(t, all, 5)
		require.Equal(t, []store.DeliveryState{store.Pending, store.Superseded, store.Superseded, store.Superseded, store.Superseded}, states(all))
	})
}

func states(all []store.Delivery) (states []store.DeliveryState) {
	for _, d := range all {
		states = append(states, d.State)
	}
	return states
}

func TestRemindersMissedByARestartAreOne(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "FAILED", started)
		w := b.register("f1", []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED"}}, every(time.Minute, 5))})
		b.pass(time.Minute + time.Second)
		require.Len(t, b.told(w.ID), 2)
		b.stop()
		b.pass(10 * time.Minute)
		b.start()
		b.pass(time.Second)
		require.Len(t, b.told(w.ID), 3)
		events, err := b.store.Events(b.t.Context(), w.ID, 0, 100)
		require.NoError(t, err)
		require.Contains(t, events[len(events)-2].Text+events[len(events)-1].Text, "reminder 2, 9 before it skipped")
		b.pass(10 * time.Minute)
		require.Len(t, b.told(w.ID), 6, "five after the first, and no more")
	})
}

func TestAcknowledgedIsNotRemindedOf(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "FAILED", started)
		w := b.register("f1", []spec.Rule{when("failed", spec.When{Phases: []string{"FAILED"}}, every(time.Minute, 5))})
		b.pass(time.Minute + time.Second)
		n, err := executor.Acknowledge(b.t.Context(), b.store, id("f1"), time.Now().UTC())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		b.pass(10 * time.Minute)
		require.Len(t, b.told(w.ID), 2)
		n, err = executor.Acknowledge(b.t.Context(), b.store, id("f1"), time.Now().UTC())
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestEachGateTells(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		w := b.register("f1", []spec.Rule{when("gate", spec.When{Kind: spec.WhenGate}, every(time.Minute, 0))})
		b.rounds(2)
		require.Empty(t, b.told(w.ID))
		b.admin.wait(flyte.Gate{Signal: "ship", Type: "boolean", Node: "n1", Approval: true})
		b.pass(11 * time.Second)
		require.Equal(t, []string{"gate gate:ship"}, b.told(w.ID))
		b.admin.wait(flyte.Gate{Signal: "rate", Type: "float"})
		b.pass(11 * time.Second)
		require.Equal(t, []string{"gate gate:ship", "gate gate:rate"}, b.told(w.ID))
		b.pass(3 * time.Minute)
		require.Equal(t, []string{"gate gate:ship", "gate gate:rate", "gate gate:rate", "gate gate:rate", "gate gate:rate"}, b.told(w.ID),
			"what is answered is not reminded of")
		b.admin.set("f1", "SUCCEEDED")
		b.pass(time.Minute)
		reads := b.admin.nodeReads()
		b.pass(10 * time.Minute)
		require.Equal(t, reads, b.admin.nodeReads(), "what has ended is not looked into")
	})
}

func TestANodeOfTheExecutionTells(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		b.admin.set("f2", "RUNNING", started)
		rule := []spec.Rule{when("node", spec.When{Kind: spec.WhenNode, NodeID: "n2", NodePhases: []string{"FAILED"}})}
		w := b.register("f1", rule)
		b.rounds(6)
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "RUNNING"})
		b.pass(20 * time.Second)
		require.Empty(t, b.told(w.ID))
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "FAILED", Error: flyte.ExecutionError{Kind: "USER", Message: "boom"}})
		b.pass(11 * time.Second)
		require.Equal(t, []string{"node node:n2:FAILED"}, b.told(w.ID))
		b.pass(time.Minute)
		require.Len(t, b.told(w.ID), 1)

		w2 := b.register("f2", rule)
		b.admin.set("f2", "FAILED") // with its node, between two looks
		b.rounds(2)
		require.Equal(t, []string{"node node:n2:FAILED"}, b.told(w2.ID))
	})
}

func TestANodeThatRunsIntoItsTimeoutTells(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		now := time.Now().UTC()
		b.admin.run(flyte.Node{ID: "n1", Phase: "RUNNING", CreatedAt: now, StartedAt: now, Timeout: time.Hour}, flyte.Node{ID: "n3", Phase: "RUNNING", StartedAt: now})
		w := b.register("f1", []spec.Rule{when("limit", spec.When{Kind: spec.WhenBeforeTimeout, For: 10 * time.Minute})})
		b.rounds(1)
		b.restart(49 * time.Minute)
		b.rounds(1)
		require.Empty(t, b.told(w.ID))
		b.pass(time.Minute)
		require.Equal(t, []string{"limit before_timeout:n1"}, b.told(w.ID))
		b.pass(9 * time.Minute)
		require.Len(t, b.told(w.ID), 1)
		b.admin.run(flyte.Node{ID: "retried", Phase: "RUNNING", CreatedAt: now, StartedAt: now, Timeout: time.Hour})
		b.pass(19 * time.Minute)
		require.Len(t, b.told(w.ID), 1, "its limit counts from the attempt that runs")
		b.pass(2 * time.Minute)
		require.Equal(t, []string{"limit before_timeout:n1", "limit before_timeout:retried"}, b.told(w.ID))
	})
}

func TestACancelledWatchHasNoTimers(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		w := b.register("f1", []spec.Rule{when("long", runningFor(time.Hour))}, func(w *store.Watch) { w.Wait, w.Own = true, id("own") })
		b.rounds(1)
		require.NoError(t, b.store.Cancel(b.t.Context(), w.ID, 0, "aborted", time.Now().UTC()))
		b.restart(2 * time.Hour)
		b.rounds(2)
		require.Empty(t, b.told(w.ID))
		calls := b.admin.calls()
		b.pass(5 * time.Minute)
		require.Equal(t, calls, b.admin.calls(), "nobody asks for it any more")
		again := b.prepare("f1", nil)
		again.ID, again.Attempt = w.ID, 1
		again, err := b.store.Register(b.t.Context(), again)
		require.NoError(t, err)
		require.Equal(t, store.Active, again.State)
		b.rounds(2)
		require.Equal(t, []string{"long running_for:1h0m0s"}, b.told(w.ID), "a later attempt goes on")
	})
}

func TestTimersOfManyWatchesCostLittleWhileNothingIsDue(t *testing.T) {
	run(t, func(b *bench) {
		for _, name := range []string{"f1", "f2", "f3"} {
			b.admin.set(name, "RUNNING", started)
			b.register(name, []spec.Rule{when("long", runningFor(100*time.Hour))})
		}
		b.rounds(2)
		reads := b.reads()
		b.pass(10 * time.Minute)
		require.Equal(t, reads, b.reads(), "no facts are read before")
	})
}

// reads is how many executions' facts were read.
func (b *bench) reads() (n int) {
	b.admin.mu.Lock()
	defer b.admin.mu.Unlock()
	for _, reads := range b.admin.reads {
		n += reads
	}
	return n
}
