package executor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
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
		rule := []spec.Rule{when("node", spec.When{Kind: spec.WhenNode, NodeID: "n2", Phases: []string{"FAILED"}}, inhibited)}
		w := b.register("f1", rule)
		b.pass(15 * time.Second)
		require.Empty(t, b.told(w.ID))
		b.admin.set("f1", "FAILED", ends)
		b.pass(10 * time.Minute)
		require.Empty(t, b.told(w.ID))
	})
}
