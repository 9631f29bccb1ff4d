package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

var scope = flyte.Scope{Project: "ml", Domain: "production"}

func id(name string) flyte.ExecutionID { return flyte.ExecutionID{Scope: scope, Name: name} }

// fakeAdmin is a flyteadmin whose answers a test sets.
type fakeAdmin struct {
	mu         sync.Mutex
	executions map[string]flyte.Execution
	nodes      map[string]flyte.Node
	down       error
	hang       bool
	reads      map[string]int
}

func (a *fakeAdmin) set(name, phase string, edit ...func(*flyte.Execution)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.executions[name]
	x.ID, x.Phase = id(name), phase
	for _, e := range edit {
		e(&x)
	}
	a.executions[name] = x
}

func (a *fakeAdmin) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = err
}

func (a *fakeAdmin) setNode(n flyte.Node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nodes[n.ID] = n
}

func (a *fakeAdmin) begin(ctx context.Context) error {
	a.mu.Lock()
	hang, down := a.hang, a.down
	a.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return down
}

func (a *fakeAdmin) List(ctx context.Context, s flyte.Scope, names []string, _ time.Time) ([]flyte.Row, error) {
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var rows []flyte.Row
	for _, name := range names {
		if x, ok := a.executions[name]; ok && x.ID.Scope == s {
			rows = append(rows, flyte.Row{Name: name, Phase: x.Phase})
		}
	}
	return rows, nil
}

func (a *fakeAdmin) Execution(ctx context.Context, want flyte.ExecutionID) (flyte.Execution, error) {
	if err := a.begin(ctx); err != nil {
		return flyte.Execution{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads[want.Name]++
	x, ok := a.executions[want.Name]
	if !ok {
		return x, flyte.ErrNotFound
	}
	return x, nil
}

func (a *fakeAdmin) Node(ctx context.Context, _ flyte.ExecutionID, node string) (flyte.Node, error) {
	if err := a.begin(ctx); err != nil {
		return flyte.Node{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n, ok := a.nodes[node]
	if !ok {
		return n, flyte.ErrNotFound
	}
	return n, nil
}

func (a *fakeAdmin) FailedNode(context.Context, flyte.ExecutionID) (string, error) { return "n1", nil }

// bench is an executor at work on a real store, in a synctest bubble.
type bench struct {
	t     *testing.T
	admin *fakeAdmin
	store *sqlite.Store
	path  string
	exec  *executor.NotifierExecutor
	stop  func()
}

const interval = 2 * time.Second

// run runs a test in a bubble with an executor that follows.
func run(t *testing.T, test func(b *bench)) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, path: path, admin: &fakeAdmin{
			executions: map[string]flyte.Execution{}, nodes: map[string]flyte.Node{}, reads: map[string]int{},
		}}
		var err error
		b.store, err = sqlite.Open(t.Context(), path)
		require.NoError(t, err)
		t.Cleanup(func() { // also after a failure, so that the bubble can end
			b.stop()
			require.NoError(t, b.store.Close())
		})
		b.start()
		test(b)
	})
}

func (b *bench) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.exec = executor.New(executor.Options{
		Store: b.store, Admin: b.admin, Registry: notifier.NewRegistry(stdout.Manifest(io.Discard)),
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: interval, Sweep: 5 * time.Minute, Overlap: 15 * time.Second, Batch: 100},
			NodeInterval: 10 * time.Second, NodeCalls: 50,
		},
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.exec.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	b.stop = func() { cancel(); wg.Wait() }
}

// pass lets simulated time go by.
func (b *bench) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) rounds(n int) { b.pass(time.Duration(n)*interval + interval/2) }

// register stores a watch as the agent does.
func (b *bench) register(name string, rules []spec.Rule, edit ...func(*store.Watch)) store.Watch {
	custom, err := json.Marshal(spec.Task{Rules: rules})
	require.NoError(b.t, err)
	w := store.Watch{
		ID: executor.NewID("w", name), Kind: store.Follow, State: store.Active,
		Execution: id(name), Own: id(name), Custom: custom, CreatedAt: time.Now().UTC(),
	}
	for _, e := range edit {
		e(&w)
	}
	w, err = b.store.Register(b.t.Context(), w)
	require.NoError(b.t, err)
	b.exec.Wake(w.Kind)
	return w
}

func (b *bench) watch(wid string) store.Watch {
	w, err := b.store.Watch(b.t.Context(), wid)
	require.NoError(b.t, err)
	return w
}

// told returns the reasons of the watch's deliveries, in order.
func (b *bench) told(wid string) []string {
	all, err := b.store.WatchDeliveries(b.t.Context(), wid)
	require.NoError(b.t, err)
	reasons := []string{}
	for _, d := range all {
		reasons = append(reasons, d.Rule+" "+d.Reason)
	}
	return reasons
}

func (b *bench) timeline(wid string) (kinds []string) {
	events, err := b.store.Events(b.t.Context(), wid, 0, 1000)
	require.NoError(b.t, err)
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func onPhases(name string, phases ...string) spec.Rule {
	return spec.Rule{
		Name: name, When: spec.When{Phases: phases},
		Send: []spec.Step{{Kind: "stdout", Destination: json.RawMessage(`{}`)}},
	}
}

func TestAFailureIsToldOnceWithItsFacts(t *testing.T) {
	run(t, func(b *bench) {
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
		require.Equal(b.t, 2, b.admin.reads["f1"], "one read of facts for each transition")
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
		b.admin.fail(errors.New("unavailable"))
		w := b.register("f1", []spec.Rule{onPhases("r", "RUNNING")})
		b.pass(10 * time.Minute)
		require.Equal(b.t, store.Active, b.watch(w.ID).State)
	})
}

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
