package executor_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestAFailureIsToldOnceWithItsFacts(t *testing.T) {
	run(t, func(b *bench) {
		b.pass(interval / 4) // else the feed that begins may read it together with the first look
		b.admin.set("f1", "RUNNING", func(x *flyte.Execution) { x.StartedAt = time.Now().UTC(); x.Workflow = "train" })
		w := b.register("f1", []spec.Rule{onPhases("failed", "FAILED"), onPhases("ok", "SUCCEEDED")})
		b.rounds(2)
		require.Equal(b.t, "RUNNING", b.watch(w.ID).Phase)
		require.Empty(b.t, b.told(w.ID))

		b.admin.set("f1", "FAILED", func(x *flyte.Execution) {
			x.Error = flyte.ExecutionError{Kind: "USER", Code: "E1", Message: "boom"}
		})
		b.rounds(20)
		require.Equal(b.t, []string{"failed phase:FAILED"}, b.told(w.ID))
		require.Equal(b.t, store.Ended, b.watch(w.ID).State)
		all, err := b.store.WatchDeliveries(b.t.Context(), w.ID)
		require.NoError(b.t, err)
		require.Contains(b.t, string(all[0].Content), `"boom"`)
		require.Contains(b.t, string(all[0].Content), `"FailedNode":"n1"`)
		require.Equal(b.t, []string{"registered", "phase", "phase", "fired"}, b.timeline(w.ID))
		require.Equal(b.t, 1, b.admin.reads["f1"], "one read of facts for a transition, none for a first look that tells nobody")
	})
}

func TestAFirstLookReadsFactsOnlyWhereARuleHears(t *testing.T) {
	run(t, func(b *bench) {
		for _, name := range []string{"quiet", "loud", "ended", "both"} {
			b.admin.set(name, "RUNNING")
		}
		b.admin.set("ended", "SUCCEEDED")
		failed := []spec.Rule{onPhases("failed", "FAILED")}
		running := []spec.Rule{onPhases("failed", "FAILED"), onPhases("running", "RUNNING")}
		quiet, loud, ended := b.register("quiet", failed), b.register("loud", running), b.register("ended", failed)
		both := b.register("both", failed, func(w *store.Watch) { w.ID = "w-both-1" })
		b.register("both", running, func(w *store.Watch) { w.ID = "w-both-2" })
		b.rounds(3)
		require.Equal(b.t, "RUNNING", b.watch(quiet.ID).Phase)
		require.Equal(b.t, "RUNNING", b.watch(both.ID).Phase)
		require.Equal(b.t, []string{"registered", "phase"}, b.timeline(quiet.ID))
		require.Equal(b.t, []string{"running phase:RUNNING"}, b.told(loud.ID))
		require.Equal(b.t, store.Ended, b.watch(ended.ID).State)
		require.Zero(b.t, b.admin.reads["quiet"])
		for _, name := range []string{"loud", "ended", "both"} {
			require.NotZero(b.t, b.admin.reads[name], "%s: what is told is confirmed, and so is an end", name)
		}
	})
}

func TestThePhaseFoundAtTheFirstLookCountsAsEntered(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "SUCCEEDED")
		w := b.register("f1", []spec.Rule{onPhases("ok", "SUCCEEDED")})
		synctest.Wait()
		require.Equal(b.t, []string{"ok phase:SUCCEEDED"}, b.told(w.ID), "a wake needs no interval")
	})
}

func TestAPhaseThatComesBackIsNotToldAgain(t *testing.T) {
	run(t, func(b *bench) {
		w := b.register("f1", []spec.Rule{onPhases("r", "RUNNING", "FAILED", "SUCCEEDED")})
		for _, phase := range []string{"RUNNING", "FAILED", "RUNNING", "FAILED", "SUCCEEDED"} {
			b.admin.set("f1", phase)
			b.rounds(1)
			require.Equal(b.t, phase, b.watch(w.ID).Phase)
		}
		require.Equal(b.t, []string{"r phase:RUNNING", "r phase:FAILED", "r phase:SUCCEEDED"}, b.told(w.ID))
		require.Equal(b.t, store.Ended, b.watch(w.ID).State)
	})
}

func TestAnOutageOfFlyteadminLosesNothing(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING")
		w := b.register("f1", []spec.Rule{onPhases("failed", "FAILED")})
		b.rounds(2)
		b.admin.fail(errors.New("database down"))
		b.admin.set("f1", "FAILED")
		b.pass(10 * time.Minute)
		require.Empty(b.t, b.told(w.ID))
		b.admin.fail(nil)
		b.pass(time.Minute)
		require.Equal(b.t, []string{"failed phase:FAILED"}, b.told(w.ID))
	})
}

func TestARestartTellsNothingTwiceAndMissesNothing(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING")
		b.admin.set("f2", "FAILED")
		w1 := b.register("f1", []spec.Rule{onPhases("failed", "FAILED")})
		w2 := b.register("f2", []spec.Rule{onPhases("failed", "FAILED")})
		b.rounds(2)
		b.stop()
		b.admin.set("f1", "FAILED")
		b.pass(time.Hour)
		b.start()
		b.rounds(2)
		require.Equal(b.t, []string{"failed phase:FAILED"}, b.told(w1.ID))
		require.Equal(b.t, []string{"failed phase:FAILED"}, b.told(w2.ID))
	})
}

func TestAnExecutionThatFlyteadminDoesNotKnowIsLost(t *testing.T) {
	run(t, func(b *bench) {
		w := b.register("forged", []spec.Rule{onPhases("r", "UNDEFINED", "FAILED")})
		b.pass(20 * time.Second)
		require.Equal(b.t, store.Active, b.watch(w.ID).State)
		b.pass(20 * time.Second)
		lost := b.watch(w.ID)
		require.Equal(b.t, store.Lost, lost.State)
		require.Contains(b.t, lost.Reason, "ml/production/forged")
		require.Empty(b.t, b.told(w.ID))
		require.Equal(b.t, []string{"registered", "missing", "lost"}, b.timeline(w.ID))
		require.Equal(b.t, 2, b.admin.reads["forged"])
	})
}

// The task's own execution has the name of the one that it waits for, in another domain: what is read of the one
// says nothing of the other.
func TestNamesakesInOtherDomainsAreApart(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("nightly", "RUNNING")
		w := b.register("nightly", []spec.Rule{onPhases("r", "FAILED")}, func(w *store.Watch) {
			w.Execution.Domain, w.Wait = "staging", true
		})
		b.pass(time.Minute)
		require.Equal(b.t, store.Lost, b.watch(w.ID).State)
		require.Equal(b.t, []string{"registered", "missing", "lost"}, b.timeline(w.ID))
	})
}

func TestAnExecutionThatAppearsLateIsNotLost(t *testing.T) {
	run(t, func(b *bench) {
		w := b.register("late", []spec.Rule{onPhases("r", "RUNNING")})
		b.pass(20 * time.Second)
		b.admin.set("late", "RUNNING")
		b.pass(time.Minute)
		require.Equal(b.t, store.Active, b.watch(w.ID).State)
		require.Equal(b.t, []string{"r phase:RUNNING"}, b.told(w.ID))
	})
}

func TestAnOutageDoesNotMakeExecutionsLost(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING")
		b.admin.fail(errors.New("unavailable"))
		w := b.register("f1", []spec.Rule{onPhases("r", "RUNNING")})
		for range 600 { // new watches do not make it ask an ailing flyteadmin more often
			b.exec.Wake(w)
			b.pass(time.Second)
		}
		require.Equal(b.t, store.Active, b.watch(w.ID).State)
		require.Less(b.t, b.admin.calls(), 250, "first looks and polls of ten minutes")
		b.admin.fail(nil)
		b.pass(maxPause)
		require.Equal(b.t, []string{"r phase:RUNNING"}, b.told(w.ID))
	})
}

// maxPause is how long after an outage the executor may take to look again.
const maxPause = 10*time.Second + interval

func TestAWaitingWatchEndsWithItsOwnExecution(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("other", "RUNNING")
		b.admin.set("own", "RUNNING")
		w := b.register("other", []spec.Rule{onPhases("r", "FAILED")}, func(w *store.Watch) { w.Own, w.Wait = id("own"), true })
		b.rounds(2)
		require.Equal(b.t, store.Active, b.watch(w.ID).State)
		b.admin.set("own", "ABORTED")
		b.rounds(2)
		got := b.watch(w.ID)
		require.Equal(b.t, store.Cancelled, got.State)
		require.Contains(b.t, got.Reason, "ABORTED")
		b.admin.set("other", "FAILED")
		b.rounds(2)
		require.Empty(b.t, b.told(w.ID), "a cancelled watch tells nothing")
		require.Equal(b.t, store.Cancelled, b.watch(w.ID).State)
	})
}

func TestAWatchThatDoesNotWaitOutlivesItsTask(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("other", "RUNNING")
		b.admin.set("own", "SUCCEEDED")
		w := b.register("other", []spec.Rule{onPhases("r", "FAILED")}, func(w *store.Watch) { w.Own = id("own") })
		b.rounds(2)
		b.admin.set("other", "FAILED")
		b.rounds(2)
		require.Equal(b.t, []string{"r phase:FAILED"}, b.told(w.ID))
	})
}

func TestANodeIsFollowed(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING")
		w := b.register("f1", []spec.Rule{onPhases("r", "RUNNING", "FAILED", "SKIPPED")}, func(w *store.Watch) { w.Node = "n2" })
		b.rounds(2)
		require.Empty(b.t, b.told(w.ID), "the execution's own phase is not the node's")
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "RUNNING"})
		b.pass(11 * time.Second)
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "FAILED", Error: flyte.ExecutionError{Kind: "SYSTEM", Message: "oom"}})
		b.pass(11 * time.Second)
		require.Equal(b.t, []string{"r phase:RUNNING", "r phase:FAILED"}, b.told(w.ID))
		require.Equal(b.t, store.Ended, b.watch(w.ID).State)
		all, err := b.store.WatchDeliveries(b.t.Context(), w.ID)
		require.NoError(b.t, err)
		require.Contains(b.t, string(all[1].Content), `"oom"`)
	})
}

func TestNodesAreLookedAtAtOnceAfterARestart(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING")
		w := b.register("f1", []spec.Rule{onPhases("r", "FAILED")}, func(w *store.Watch) { w.Node = "n2" })
		b.rounds(2)
		b.stop()
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "FAILED"})
		b.start()
		b.pass(time.Second)
		require.Equal(b.t, []string{"r phase:FAILED"}, b.told(w.ID))
	})
}

func TestANodeThatNeverRanEndsWithItsExecution(t *testing.T) {
	run(t, func(b *bench) {
		b.admin.set("f1", "RUNNING")
		w := b.register("f1", []spec.Rule{onPhases("r", "FAILED")}, func(w *store.Watch) { w.Node = "n9" })
		b.rounds(2)
		b.admin.set("f1", "FAILED")
		b.rounds(2)
		require.Equal(b.t, store.Ended, b.watch(w.ID).State)
		require.Empty(b.t, b.told(w.ID))
	})
}

func TestARuleThatFailsStopsNoOther(t *testing.T) {
	run(t, func(b *bench) {
		bad := onPhases("bad", "FAILED")
		var err error
		bad.If, err = spec.Compile(`inputs.n + 1 > 2`)
		require.NoError(b.t, err)
		gone := onPhases("gone", "FAILED")
		gone.Send[0].Kind = "carrier-pigeon"
		b.admin.set("f1", "FAILED")
		w := b.register("f1", []spec.Rule{bad, gone, onPhases("good", "FAILED")}, func(w *store.Watch) {
			w.Inputs = json.RawMessage(`{"n": "text"}`)
		})
		b.rounds(1)
		all, err := b.store.WatchDeliveries(b.t.Context(), w.ID)
		require.NoError(b.t, err)
		require.Len(b.t, all, 2)
		require.Equal(b.t, store.Dead, all[0].State)
		require.Contains(b.t, all[0].LastError, "carrier-pigeon")
		require.Equal(b.t, store.Pending, all[1].State)
		require.True(b.t, slices.Contains(b.timeline(w.ID), "error"))
	})
}
