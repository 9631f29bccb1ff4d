package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// The shapes of a spec.
type (
	object = map[string]any
	list   = []any
)

// lines is a log that a test reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a server over a real store, and a client of it.
type world struct {
	t        *testing.T
	db       *sqlite.Store
	store    *faulty
	log      *lines
	gathered *prometheus.Registry
	tracer   trace.TracerProvider
	agent    *agent.Service
	listener *bufconn.Listener
	conn     *grpc.ClientConn
	async    service.AsyncAgentServiceClient
	sync     service.SyncAgentServiceClient
	stop     func()

	mu         sync.Mutex
	registered []store.Kind
	onRegister func(store.Kind)
}

// bubble runs a test in simulated time.
func bubble(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notifier.db")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, path)
		test(w)
	})
}

func newWorld(t *testing.T, path string) *world {
	w := &world{t: t, log: &lines{}, listener: bufconn.Listen(1 << 20)}
	var err error
	w.db, err = sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.db.Close()) })
	w.store = &faulty{Registry: w.db, faults: map[string]func(context.Context) error{}, calls: map[string]int{}}
	w.serve(agent.TLS{})
	w.conn, err = grpc.NewClient("passthrough:///agent", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return w.listener.DialContext(ctx) }))
	require.NoError(t, err)
	w.async, w.sync = service.NewAsyncAgentServiceClient(w.conn), service.NewSyncAgentServiceClient(w.conn)
	t.Cleanup(func() {
		require.NoError(t, w.conn.Close())
		w.stop()
	})
	return w
}

// serve runs the server until stop, which returns when it has, and may be called again.
func (w *world) serve(files agent.TLS) {
	w.agent = w.service()
	srv, err := agent.NewServer(w.agent, files, w.logger())
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(ctx, w.listener); err != nil {
			w.t.Errorf("serve: %v", err)
		}
	}()
	w.stop = func() {
		cancel()
		<-done
	}
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *world) service() *agent.Service {
	w.gathered = prometheus.NewRegistry()
	return agent.New(agent.Options{
		Store: w.store, Registry: builtin.Registry(io.Discard), Connections: connections(), Log: w.logger(),
		Metrics: w.gathered, Tracer: w.tracer,
		Registered: func(stored store.Watch) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.registered = append(w.registered, stored.Kind)
			if w.onRegister != nil {
				w.onRegister(stored.Kind)
			}
		},
	})
}

// connections are two, of which one is for some scopes and places only.
func connections() *notifier.Connections {
	return notifier.NewConnections([]*notifier.Connection{
		{Name: "stdout", Kind: "stdout"},
		{Name: "team-slack", Kind: "slack"},
		{Name: "private", Kind: "slack", Allow: notifier.Allow{Scopes: []string{"secret/*"}, Destinations: []string{"#private"}}},
	}, map[string]string{"stdout": "stdout", "slack": "team-slack"})
}

// own is the execution that tasks run in.
var own = flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f7k2"}

// deadline is that of FlytePropeller's calls.
const deadline = 3 * time.Second

func (w *world) context() context.Context {
	ctx, cancel := contextWith(w.t, deadline)
	w.t.Cleanup(cancel)
	return ctx
}

func contextWith(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// rules are a spec's shortest.
func rules() list {
	return list{object{"when": object{"phase": list{"FAILED"}}, "send": list{object{"stdout": object{}}}}}
}

// waiting is a spec that waits for another execution.
func waiting() object {
	return object{"wait": true, "watch": object{"execution": object{"name": "other"}}, "rules": rules()}
}

// sending is a spec of notification_send.
func sending(require string) object {
	return object{"send": list{object{"stdout": object{}}}, "require": require}
}

func template(t testing.TB, taskType string, custom object, outputs ...string) *core.TaskTemplate {
	s, err := structpb.NewStruct(custom)
	require.NoError(t, err)
	return &core.TaskTemplate{Type: taskType, Custom: s, Interface: &core.TypedInterface{Outputs: declared(outputs...)}}
}

func declared(names ...string) *core.VariableMap {
	m := &core.VariableMap{Variables: map[string]*core.Variable{}}
	for _, name := range names {
		t := simple(core.SimpleType_STRING)
		if name == "deliveries" {
			t = listOf(simple(core.SimpleType_STRUCT))
		}
		m.Variables[name] = &core.Variable{Type: t}
	}
	return m
}

func simple(s core.SimpleType) *core.LiteralType {
	return &core.LiteralType{Type: &core.LiteralType_Simple{Simple: s}}
}

func listOf(t *core.LiteralType) *core.LiteralType {
	return &core.LiteralType{Type: &core.LiteralType_CollectionType{CollectionType: t}}
}

func metadata(attempt uint32) *admin.TaskExecutionMetadata {
	return &admin.TaskExecutionMetadata{TaskExecutionId: &core.TaskExecutionIdentifier{
		TaskId:       &core.Identifier{ResourceType: core.ResourceType_TASK, Project: own.Project, Domain: own.Domain, Name: "alerts"},
		RetryAttempt: attempt,
		NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: "n0", ExecutionId: &core.WorkflowExecutionIdentifier{
			Project: own.Project, Domain: own.Domain, Name: own.Name,
		}},
	}}
}

const prefix = "s3://flyte/metadata/ml-production-f7k2/n0/data/"

// request is a CreateTask as FlytePropeller makes it; edits change it.
func request(t testing.TB, custom object, edits ...func(*admin.CreateTaskRequest)) *admin.CreateTaskRequest {
	r := &admin.CreateTaskRequest{
		Template: template(t, agent.TypeNotification, custom), OutputPrefix: prefix + "0", TaskExecutionMetadata: metadata(0),
	}
	for _, edit := range edits {
		edit(r)
	}
	return r
}

func outputs(names ...string) func(*admin.CreateTaskRequest) {
	return func(r *admin.CreateTaskRequest) {
		r.Template.Interface = &core.TypedInterface{Outputs: declared(names...)}
	}
}

func attempt(n string, number uint32) func(*admin.CreateTaskRequest) {
	return func(r *admin.CreateTaskRequest) { r.OutputPrefix, r.TaskExecutionMetadata = prefix+n, metadata(number) }
}

func ofType(taskType string) func(*admin.CreateTaskRequest) {
	return func(r *admin.CreateTaskRequest) { r.Template.Type = taskType }
}

func (w *world) create(r *admin.CreateTaskRequest) []byte {
	w.t.Helper()
	got, err := w.async.CreateTask(w.context(), r)
	require.NoError(w.t, err)
	require.LessOrEqual(w.t, len(got.GetResourceMeta()), 2<<10)
	return got.GetResourceMeta()
}

// get asks as FlytePropeller does. No test may ever see it fail.
func (w *world) get(meta []byte) *admin.Resource {
	w.t.Helper()
	got, err := w.async.GetTask(w.context(), &admin.GetTaskRequest{ResourceMeta: meta})
	require.NoError(w.t, err)
	return got.GetResource()
}

func (w *world) delete(meta []byte) {
	w.t.Helper()
	_, err := w.async.DeleteTask(w.context(), &admin.DeleteTaskRequest{ResourceMeta: meta})
	require.NoError(w.t, err)
}

// phase asks how a task stands, and returns its phase and message.
func (w *world) phase(meta []byte) (phase, message string) {
	w.t.Helper()
	r := w.get(meta)
	return r.GetPhase().String(), r.GetMessage()
}

// watches are all that the store holds.
func (w *world) watches() (all []store.Watch) {
	w.t.Helper()
	require.NoError(w.t, w.db.Watches(w.t.Context(), store.Filter{}, func(x store.Watch) error {
		all = append(all, x)
		return nil
	}))
	return all
}

// watch is the only one.
func (w *world) watch() store.Watch {
	w.t.Helper()
	all := w.watches()
	require.Len(w.t, all, 1)
	return all[0]
}

// move changes the only watch as the executor would.
func (w *world) move(edit func(*store.Watch), deliveries ...store.Delivery) {
	w.t.Helper()
	t := store.Transition{Watch: w.watch(), Change: store.Change{Deliveries: deliveries}}
	edit(&t.Watch)
	require.NoError(w.t, w.db.Move(w.t.Context(), t))
}

func ended(phase string) func(*store.Watch) {
	return func(w *store.Watch) { w.State, w.Phase, w.EndedAt = store.Ended, phase, time.Now().UTC() }
}

// delivery is one that the executor would make for the only watch.
func (w *world) delivery(id string) store.Delivery {
	now := time.Now().UTC()
	return store.Delivery{
		ID: id, Key: "key of " + id, WatchID: w.watch().ID, Execution: own, Rule: "phase-failed", Reason: "phase:FAILED",
		Kind: "slack", Connection: "team-slack", Address: "#ml", Destination: json.RawMessage(`{}`), Content: json.RawMessage(`{}`),
		State: store.Pending, NextAt: now, CreatedAt: now, Since: now,
	}
}

// settle records what the outbox would have made of a delivery.
func (w *world) settle(id string, o store.Outcome) {
	w.t.Helper()
	o.Attempt, o.At = 1, time.Now().UTC()
	_, err := w.db.Begin(w.t.Context(), id, 0, o.At, nil)
	require.NoError(w.t, err)
	require.NoError(w.t, w.db.Settle(w.t.Context(), id, o))
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
