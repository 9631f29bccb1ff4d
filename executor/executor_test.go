package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
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
	written    map[string]time.Time // when an execution was set last
	nodes      map[string]flyte.Node
	gates      []flyte.Gate
	running    []flyte.Node
	down       error
	hang       bool
	mute       map[flyte.Scope]bool // in which Discover hangs
	flaky      int                  // Discover fails once in so many calls; 0: never
	deaf       bool                 // Gates hangs
	asked      time.Duration        // the longest time that Discover was asked for
	projects   []flyte.Project      // beside ml
	broken     map[string]error     // by what is read: gates, running, a node, an execution
	latency    time.Duration
	reads      map[string]int
	begun      int
	nodeBegun  int
	discovered int
}

// calls is how many calls there were, failed ones among them.
func (a *fakeAdmin) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun
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
	if a.written == nil {
		a.written = map[string]time.Time{}
	}
	a.written[name] = time.Now()
}

// put is set for an execution of any scope; names are unique.
func (a *fakeAdmin) put(id flyte.ExecutionID, phase string) {
	a.set(id.Name, phase, func(x *flyte.Execution) { x.ID = id })
}

// nodeReads is how many reads of nodes there were.
func (a *fakeAdmin) nodeReads() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nodeBegun
}

func (a *fakeAdmin) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = err
}

// broke makes some reads fail, and no others.
func (a *fakeAdmin) broke(reads ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = map[string]error{}
	for _, read := range reads {
		a.broken[read] = errors.New("broken")
	}
}

func (a *fakeAdmin) delay(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latency = d
}

func (a *fakeAdmin) setNode(n flyte.Node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nodes[n.ID] = n
}

func (a *fakeAdmin) begin(ctx context.Context) error {
	a.mu.Lock()
	a.begun++
	hang, down, latency := a.hang, a.down, a.latency
	a.mu.Unlock()
	<-time.After(latency)
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return down
}

func (a *fakeAdmin) List(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var rows []flyte.Row
	for _, name := range names {
		if x, ok := a.executions[name]; ok && x.ID.Scope == s && !a.written[name].Before(since) {
			rows = append(rows, flyte.Row{Name: name, Phase: x.Phase, CreatedAt: x.CreatedAt, StartedAt: x.StartedAt})
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
	if err := a.broken[want.Name]; err != nil {
		return flyte.Execution{}, err
	}
	a.reads[want.Name]++
	x, ok := a.executions[want.Name]
	if !ok || x.ID != want {
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
	a.nodeBegun++
	if err := a.broken[node]; err != nil {
		return flyte.Node{}, err
	}
	n, ok := a.nodes[node]
	if !ok {
		return n, flyte.ErrNotFound
	}
	return n, nil
}

func (a *fakeAdmin) Gates(ctx context.Context, _ flyte.ExecutionID) ([]flyte.Gate, error) {
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nodeBegun++
	if a.deaf {
		a.mu.Unlock()
		<-ctx.Done()
		a.mu.Lock()
		return nil, ctx.Err()
	}
	return slices.Clone(a.gates), a.broken["gates"]
}

func (a *fakeAdmin) RunningNodes(ctx context.Context, _ flyte.Execution) ([]flyte.Node, error) {
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nodeBegun++
	return slices.Clone(a.running), a.broken["running"]
}

// Attempt says that a node named retried began anew half an hour after its start.
func (a *fakeAdmin) Attempt(ctx context.Context, _ flyte.ExecutionID, n flyte.Node) (flyte.Node, error) {
	if n.ID == "retried" {
		n.AttemptStartedAt = n.StartedAt.Add(30 * time.Minute)
	}
	return n, a.begin(ctx)
}

func (a *fakeAdmin) Discover(ctx context.Context, s flyte.Scope, from, to time.Time, limit int) ([]flyte.Execution, bool, error) {
	if err := a.begin(ctx); err != nil {
		return nil, false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.discovered++
	a.asked = max(a.asked, to.Sub(from))
	if a.flaky > 0 && a.discovered%a.flaky == 0 {
		return nil, false, errors.New("it fails now and then")
	}
	if a.mute[s] {
		a.mu.Unlock()
		<-ctx.Done()
		a.mu.Lock()
		return nil, false, ctx.Err()
	}
	var found []flyte.Execution
	for _, x := range a.executions {
		if x.ID.Scope == s && !x.CreatedAt.Before(from) && x.CreatedAt.Before(to) {
			found = append(found, x)
		}
	}
	slices.SortFunc(found, func(a, b flyte.Execution) int { return strings.Compare(a.ID.Name, b.ID.Name) })
	return found[:min(limit, len(found))], len(found) < limit, nil
}

func (a *fakeAdmin) Succeeded(ctx context.Context, s flyte.Scope, launchPlan string, since time.Time) ([]flyte.Execution, error) {
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []flyte.Execution
	for _, x := range a.executions {
		if x.ID.Scope == s && x.LaunchPlan == launchPlan && x.Phase == "SUCCEEDED" && !x.EndedAt.Before(since) {
			found = append(found, x)
		}
	}
	return found, nil
}

func (a *fakeAdmin) Projects(ctx context.Context) ([]flyte.Project, error) {
	a.mu.Lock()
	all := append([]flyte.Project{{ID: "ml", Domains: []string{"development", "production"}}}, a.projects...)
	a.mu.Unlock()
	return all, a.begin(ctx)
}

// wait sets the gates that wait.
func (a *fakeAdmin) wait(gates ...flyte.Gate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gates = gates
}

// run sets the nodes that run.
func (a *fakeAdmin) run(nodes ...flyte.Node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = nodes
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
	subs  []spec.Subscription
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

func (b *bench) start() { b.exec, b.stop = b.execute() }

// execute runs an executor until its stop, which returns when it has ended.
func (b *bench) execute(edits ...func(*executor.Options)) (*executor.NotifierExecutor, func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	o := executor.Options{
		Store: b.store, Admin: b.admin, Registry: notifier.NewRegistry(stdout.Manifest(io.Discard)),
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: interval, Sweep: 5 * time.Minute, Overlap: 15 * time.Second, Batch: 100},
			NodeInterval: 10 * time.Second, NodeCalls: 50, Discovery: 30 * time.Second,
		},
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	}
	for _, edit := range edits {
		edit(&o)
	}
	exec := executor.New(o)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := exec.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	return exec, func() { cancel(); wg.Wait() }
}

// pass lets simulated time go by.
func (b *bench) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) rounds(n int) { b.pass(time.Duration(n)*interval + interval/2) }

// prepare makes a watch as the agent does.
func (b *bench) prepare(name string, rules []spec.Rule, edit ...func(*store.Watch)) store.Watch {
	custom, err := json.Marshal(spec.Task{Rules: rules})
	require.NoError(b.t, err)
	w := store.Watch{
		ID: store.NewID("w", name), Kind: store.Follow, State: store.Active,
		Execution: id(name), Own: id(name), Custom: custom, CreatedAt: time.Now().UTC(),
	}
	for _, e := range edit {
		e(&w)
	}
	return w
}

// register stores a watch as the agent does.
func (b *bench) register(name string, rules []spec.Rule, edit ...func(*store.Watch)) store.Watch {
	w, err := b.store.Register(b.t.Context(), b.prepare(name, rules, edit...))
	require.NoError(b.t, err)
	b.exec.Wake(w)
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
