package executor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func onNode(name, node string, phases ...string) spec.Rule {
	return when(name, spec.When{Kind: spec.WhenNode, NodeID: node, NodePhases: phases})
}

func onGate(name string) spec.Rule { return when(name, spec.When{Kind: spec.WhenGate}) }

func labeled(team string) func(*flyte.Execution) {
	return func(x *flyte.Execution) { x.Labels = map[string]string{"team": team} }
}

func TestLooksAreForThoseThatASubscriptionSelects(t *testing.T) {
	run(t, func(b *bench) {
		ml := to("ml", onNode("node", "n1", "FAILED"))
		ml.Match.Labels = map[string]string{"team": "ml"}
		b.subscribe(to("gates", onGate("gate")), ml)
		b.admin.set("f1", "RUNNING", of("nightly"), started, labeled("web"))
		b.rounds(3)
		b.restart(time.Second)
		b.pass(time.Minute)
		before := b.admin.nodeReads()
		b.pass(5 * time.Minute)
		require.InDelta(t, 30, b.admin.nodeReads()-before, 5, "one call a look")
		b.admin.set("f2", "RUNNING", of("nightly"), started, labeled("ml"))
		b.pass(time.Minute)
		b.admin.setNode(flyte.Node{ID: "n1", Phase: "FAILED"})
		b.admin.wait(flyte.Gate{Signal: "ship"})
		b.pass(time.Minute)
		require.ElementsMatch(t, []string{"f1 gate gate:ship", "f2 gate gate:ship", "f2 node node:n1:FAILED"}, b.all())
	})
}

func TestEveryCallOfALookCounts(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		_, b.stop = b.execute(func(o *executor.Options) { o.Config.NodeCalls = 1 })
		b.admin.run(flyte.Node{ID: "n0", Phase: "RUNNING", Parent: true}, flyte.Node{ID: "n0-0-n1", Phase: "RUNNING"})
		for i := range 10 {
			name := fmt.Sprint("f", i)
			b.admin.set(name, "RUNNING", started)
			_, err := b.store.Register(b.t.Context(), b.prepare(name, []spec.Rule{when("limit", spec.When{Kind: spec.WhenBeforeTimeout, For: time.Minute})}))
			require.NoError(t, err)
		}
		b.pass(2 * time.Minute)
		before := b.admin.nodeReads()
		b.pass(2 * time.Minute)
		require.InDelta(t, 60, b.admin.nodeReads()-before, 10, "each lists what runs below a node as well")
	})
}

func TestWhatALookFindsCountsToo(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		_, b.stop = b.execute(func(o *executor.Options) { o.Config.NodeCalls = 1 })
		for i := range 10 {
			name := fmt.Sprint("f", i)
			b.admin.set(name, "RUNNING", started)
			_, err := b.store.Register(b.t.Context(), b.prepare(name, []spec.Rule{onGate("gate")}))
			require.NoError(t, err)
		}
		b.pass(2 * time.Minute)
		before := b.admin.nodeReads()
		for i := range 120 { // every look finds another gate
			b.admin.wait(flyte.Gate{Signal: fmt.Sprint("ship", i)})
			b.pass(time.Second)
		}
		require.InDelta(t, 80, b.admin.nodeReads()-before, 12, "two of three calls: the third reads the execution")
	})
}

func TestWhatCannotBeReadDelaysNoOtherRule(t *testing.T) {
	run(t, func(b *bench) {
		rules := []spec.Rule{
			onPhases("runs", "RUNNING"), onPhases("ended", "FAILED"), onGate("gate"), onNode("one", "n1", "FAILED"), onNode("two", "n2", "FAILED"),
		}
		b.admin.set("f1", "RUNNING", started)
		b.admin.wait(flyte.Gate{Signal: "ship"})
		b.admin.broke("gates", "n2")
		w := b.register("f1", rules, func(w *store.Watch) { w.Wait, w.Own = true, id("own") })
		b.rounds(1)
		require.Equal(t, []string{"runs phase:RUNNING"}, b.told(w.ID))
		b.admin.setNode(flyte.Node{ID: "n1", Phase: "FAILED"})
		b.pass(20 * time.Second)
		require.Equal(t, []string{"runs phase:RUNNING", "one node:n1:FAILED"}, b.told(w.ID))
		b.admin.broke("n2")
		b.pass(20 * time.Second)
		require.Equal(t, []string{"runs phase:RUNNING", "one node:n1:FAILED", "gate gate:ship"}, b.told(w.ID))
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "FAILED"})
		b.admin.set("f1", "FAILED", ends)
		b.rounds(1)
		require.Equal(t, "ended phase:FAILED", b.told(w.ID)[3], "at once")
		b.restart(time.Minute)
		b.pass(20 * time.Second)
		require.Len(t, b.told(w.ID), 4)
		require.Equal(t, store.Active, b.watch(w.ID).State, "its task waits for what is still to be told")
		b.admin.broke()
		b.pass(20 * time.Second)
		require.Equal(t, []string{"runs phase:RUNNING", "one node:n1:FAILED", "gate gate:ship", "ended phase:FAILED", "two node:n2:FAILED"}, b.told(w.ID))
		require.Equal(t, store.Ended, b.watch(w.ID).State)
		b.pass(time.Minute)
		require.Len(t, b.told(w.ID), 5, "and nothing twice")
	})
}

func TestASilentReadDelaysNoOtherRuleForLong(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.mu.Lock()
		b.admin.deaf = true
		b.admin.mu.Unlock()
		b.admin.set("f1", "RUNNING", started)
		b.admin.wait(flyte.Gate{Signal: "ship"})
		w := b.register("f1", []spec.Rule{onPhases("runs", "RUNNING"), onGate("gate")})
		b.pass(1100 * time.Millisecond)
		require.Equal(t, []string{"runs phase:RUNNING"}, b.told(w.ID))
		b.pass(time.Minute)
		b.admin.mu.Lock()
		b.admin.deaf = false
		b.admin.mu.Unlock()
		b.pass(20 * time.Second)
		require.Equal(t, []string{"runs phase:RUNNING", "gate gate:ship"}, b.told(w.ID))
	})
}

func TestWhatWasToldWaitsForWhatCannotBeRead(t *testing.T) {
	run(t, func(b *bench) {
		lasting := onGate("lasting")
		lasting.For = time.Minute
		b.admin.set("f1", "RUNNING", started)
		b.admin.wait(flyte.Gate{Signal: "ship"})
		w := b.register("f1", []spec.Rule{when("gate", spec.When{Kind: spec.WhenGate}, every(2*time.Minute, 0)), lasting, onPhases("ended", "FAILED")})
		b.pass(30 * time.Second)
		require.Equal(t, []string{"gate gate:ship"}, b.told(w.ID))
		b.admin.broke("gates")
		b.pass(3 * time.Minute)
		require.Equal(t, []string{"gate gate:ship"}, b.told(w.ID), "nobody knows whether it waits")
		b.admin.broke()
		b.pass(20 * time.Second)
		require.Equal(t, []string{"gate gate:ship", "gate gate:ship", "lasting gate:ship"}, b.told(w.ID), "it lasted")
		b.admin.broke("gates")
		b.admin.set("f1", "FAILED", ends)
		b.pass(3 * time.Minute)
		require.Len(t, b.told(w.ID), 4, "the reminders are over")
	})
}

func TestLooksThatNoRuleNeedsAnyMoreEnd(t *testing.T) {
	long(t)
	run(t, func(b *bench) {
		looked := func() int {
			notes, err := b.store.AllNotes(b.t.Context(), "look", "", 10)
			require.NoError(t, err)
			return len(notes)
		}
		without, with := to("gates", onPhases("ended", "FAILED")), to("gates", onPhases("ended", "FAILED"), onGate("gate"))
		b.subscribe(with)
		b.admin.set("f1", "RUNNING", of("nightly"), started)
		b.pass(time.Minute)
		require.Equal(t, 1, looked())
		b.subscribe(without)
		b.pass(50 * time.Minute)
		require.Equal(t, 1, looked(), "another server may have the rule still")
		b.subscribe(with)
		b.pass(time.Minute)
		b.subscribe(without)
		b.pass(50 * time.Minute)
		require.Equal(t, 1, looked(), "it was needed meanwhile")
		b.pass(15 * time.Minute)
		require.Zero(t, looked())
		b.admin.set("f1", "FAILED", ends)
		b.pass(time.Minute)
		require.Equal(t, []string{"f1 ended phase:FAILED"}, b.all())
	})
}

func TestWhatCannotBeReadIsAskedForWithinTheBudget(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		_, b.stop = b.execute(func(o *executor.Options) { o.Config.NodeCalls = 1 })
		b.admin.broke("running")
		for i := range 100 {
			name := fmt.Sprint("f", i)
			b.admin.set(name, "RUNNING", started)
			_, err := b.store.Register(b.t.Context(), b.prepare(name, []spec.Rule{when("limit", spec.When{Kind: spec.WhenBeforeTimeout, For: time.Minute})}))
			require.NoError(t, err)
		}
		b.pass(2 * time.Minute)
		before := b.admin.nodeReads()
		b.pass(2 * time.Minute)
		require.LessOrEqual(t, b.admin.nodeReads()-before, 130)
		b.admin.broke()
		b.admin.run(flyte.Node{ID: "n0", Phase: "RUNNING", StartedAt: time.Now().UTC(), Timeout: 10 * time.Minute})
		b.pass(16 * time.Minute)
		require.Len(t, b.all(), 100, "and told all the same")
	})
}

// TestWhatWasReadBeforeItCouldNotBeIsJudgedAgain: another change was judged without it meanwhile.
func TestWhatWasReadBeforeItCouldNotBeIsJudgedAgain(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING", started)
		b.admin.wait(flyte.Gate{Signal: "ship"})
		w := b.register("f1", []spec.Rule{when("gate", spec.When{Kind: spec.WhenGate}, every(5*time.Minute, 0)), onNode("node", "n1", "RUNNING")})
		b.pass(time.Minute)
		b.admin.broke("gates")
		b.admin.setNode(flyte.Node{ID: "n1", Phase: "RUNNING"})
		b.pass(time.Minute)
		require.Equal(t, []string{"gate gate:ship", "node node:n1:RUNNING"}, b.told(w.ID))
		b.admin.broke()
		b.pass(5 * time.Minute)
		require.Equal(t, []string{"gate gate:ship", "node node:n1:RUNNING", "gate gate:ship"}, b.told(w.ID), "its reminder is due again")
	})
}

func TestAnUnknownParentDelaysNoOtherRule(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("p1", "RUNNING", started)
		b.admin.broke("p1")
		b.admin.set("c1", "FAILED", started, func(x *flyte.Execution) { x.Parent = id("p1") })
		waits := func(w *store.Watch) { w.Wait, w.Own = true, id("own") }
		w := b.register("c1", []spec.Rule{onPhases("ended", "FAILED"), when("alone", spec.When{Phases: []string{"FAILED"}}, inhibited)}, waits)
		b.pass(25 * time.Second)
		require.Equal(t, []string{"ended phase:FAILED"}, b.told(w.ID))
		require.Equal(t, store.Active, b.watch(w.ID).State, "its task waits for what is still to be told")
		b.pass(10 * time.Second)
		require.Equal(t, []string{"ended phase:FAILED", "alone phase:FAILED"}, b.told(w.ID), "it had its time")
		require.Equal(t, store.Ended, b.watch(w.ID).State)
		reads := b.reads()
		b.pass(2 * time.Minute)
		require.Len(t, b.told(w.ID), 2, "and nothing twice")
		require.Equal(t, reads, b.reads(), "nothing waits for the parent any more")
	})
}

func TestAnUnknownParentThatFailedIsHeardOfInTime(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("p1", "FAILED", started)
		b.admin.broke("p1")
		b.admin.set("c1", "FAILED", started, func(x *flyte.Execution) { x.Parent = id("p1") })
		w := b.register("c1", []spec.Rule{when("alone", spec.When{Phases: []string{"FAILED"}}, inhibited)})
		b.pass(20 * time.Second)
		b.admin.broke()
		b.pass(2 * time.Minute)
		require.Empty(t, b.told(w.ID))
	})
}
