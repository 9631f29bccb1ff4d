package app_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

const mailKey = "SG.simulated"

type (
	object = map[string]any
	list   = []any
)

// lines is a log or an output that a test reads.
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

// world is a server in this process, and all that it talks to on loopback.
type world struct {
	t          *testing.T
	dir        string
	flyte      *flytesim.Server
	slack      *slacksim.Sim
	mail       *sendgridsim.Server
	endpoint   string
	stdout     *lines
	log        *lines
	grpc, http string
	hooks      string
	agent      service.AsyncAgentServiceClient
	sync       service.SyncAgentServiceClient
	tracer     trace.TracerProvider
	source     *app.Source
	reloaded   func(*config.Config)
	stop       func() error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), flyte: flytesim.New(), mail: sendgridsim.New(mailKey), stdout: &lines{}, log: &lines{}}
	w.slack = slacksim.New(slacksim.Options{Channels: []slacksim.Channel{{Name: "ml"}}})
	endpoint, stop, err := w.flyte.Start("127.0.0.1:0")
	require.NoError(t, err)
	w.endpoint = endpoint
	t.Cleanup(func() { stop(); w.slack.Close(); w.mail.Close() })
	w.write("slack", slacksim.DefaultToken)
	w.write("sendgrid", mailKey)
	return w
}

func (w *world) write(name, content string) string {
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// text is the world's config file, to which a test adds lines.
func (w *world) text(more ...string) string {
	return w.fill(`
server: {listen: "127.0.0.1:0", http: "127.0.0.1:0"}
admin:  {endpoint: "ADMIN", insecure: true}
store:  {url: "sqlite://DIR/notifier.db"}
watch:  {interval: 50ms, node_interval: 50ms}
connections:
  team-slack: {slack: {token: {file: "DIR/slack"}, api_url: "SLACK"}}
  mail: {sendgrid: {api_key: {file: "DIR/sendgrid"}, from: flyte@example.org, host: "SENDGRID"}}
defaults: {slack: team-slack, sendgrid: mail}
`) + strings.Join(more, "\n")
}

// fill puts what is the world's own in the place of words in capitals.
func (w *world) fill(text string) string {
	return strings.NewReplacer("DIR", w.dir, "ADMIN", w.endpoint, "SLACK", w.slack.URL(), "SENDGRID", w.mail.URL()).Replace(text)
}

func (w *world) config(more ...string) *config.Config {
	w.t.Helper()
	w.write("config.yaml", w.text(more...))
	return w.load()
}

// load reads the config file as it is.
func (w *world) load() *config.Config {
	w.t.Helper()
	c, problems, err := config.Load(filepath.Join(w.dir, "config.yaml"), nil, registry())
	require.NoError(w.t, err)
	require.Empty(w.t, problems)
	return c
}

func registry() *notifier.Registry { return builtin.Registry(io.Discard) }

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// riverUI lets ada in, by the password in the file ui.
func (w *world) riverUI() *config.RiverUI {
	return &config.RiverUI{User: "ada", Password: notifier.Secret{File: filepath.Join(w.dir, "ui")}}
}

func (w *world) flyteFails(id flyte.ExecutionID) {
	w.flyte.SetPhase(id, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
}

// start runs the server until stop, which may be called again.
func (w *world) start(c *config.Config) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	var failure error
	go func() {
		defer close(done)
		failure = app.Run(ctx, app.Options{
			Config: c, Version: "1.2.3", Stdout: w.stdout, Log: w.logger(), Tracer: w.tracer,
			Source: w.source, Reloaded: w.reloaded, Hooked: func(address string) { w.hooks = address },
			Ready: func(grpc, http string) { w.grpc, w.http = grpc, http; close(ready) },
		})
	}()
	w.stop = func() error { cancel(); <-done; return failure }
	w.t.Cleanup(func() { _ = w.stop() })
	select {
	case <-ready:
	case <-done:
		w.t.Fatalf("the server does not start: %v", failure)
	}
	conn, err := grpc.NewClient(w.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, conn.Close()) })
	w.agent, w.sync = service.NewAsyncAgentServiceClient(conn), service.NewSyncAgentServiceClient(conn)
}

func (w *world) context() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func execution(name string) flyte.ExecutionID {
	return flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name}
}

// run starts an execution in flyteadmin.
func (w *world) run(name string) flyte.ExecutionID {
	id := execution(name)
	w.flyte.Create(flytesim.Execution{ID: id, Workflow: "train", User: "ada"})
	w.flyte.SetPhase(id, "RUNNING")
	return id
}

func (w *world) request(id flyte.ExecutionID, taskType string, spec object) *admin.CreateTaskRequest {
	custom, err := structpb.NewStruct(spec)
	require.NoError(w.t, err)
	return &admin.CreateTaskRequest{
		Template:     &core.TaskTemplate{Type: taskType, Custom: custom},
		OutputPrefix: "s3://b/" + id.Name + "/n0/data/0",
		TaskExecutionMetadata: &admin.TaskExecutionMetadata{TaskExecutionId: &core.TaskExecutionIdentifier{
			NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: "n0", ExecutionId: &core.WorkflowExecutionIdentifier{
				Project: id.Project, Domain: id.Domain, Name: id.Name,
			}},
		}},
	}
}

// tellAll are the services that a rule tells.
func tellAll() list {
	return list{
		object{"slack": object{"channel": "#ml"}}, object{"sendgrid": object{"to": list{"ml@example.org"}}}, object{"stdout": object{}},
	}
}

// register creates a notification task that tells of failures.
func (w *world) register(id flyte.ExecutionID) []byte {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second) // FlytePropeller's
	defer cancel()
	got, err := w.agent.CreateTask(ctx, w.request(id, "notification", object{"rules": list{
		object{"when": object{"phase": list{"FAILED"}}, "send": tellAll()},
	}}))
	require.NoError(w.t, err)
	return got.GetResourceMeta()
}

// page reads one of the HTTP pages.
func (w *world) page(path string) (code int, body string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.context(), http.MethodGet, "http://"+w.http+path, http.NoBody)
	require.NoError(w.t, err)
	return answerTo(w.t, r)
}

func answerTo(t *testing.T, r *http.Request) (code int, body string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(raw)
}

func TestAFailureIsToldEverywhereOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config())
	id := w.run("f1")
	meta := w.register(id)
	got, err := w.agent.GetTask(w.context(), &admin.GetTaskRequest{ResourceMeta: meta})
	require.NoError(t, err)
	require.Equal(t, core.TaskExecution_SUCCEEDED, got.GetResource().GetPhase())

	w.flyte.SetPhase(id, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
	messages, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	require.Contains(t, slacksim.Render(messages[0]), "out of memory")
	mails, err := w.mail.WaitMails(w.context(), 1)
	require.NoError(t, err)
	require.Contains(t, mails[0].Text, "out of memory")

	w.awaitDelivered(3)
	require.NoError(t, w.stop())
	require.Len(t, w.slack.Messages(""), 1)
	require.Len(t, w.mail.Mails(), 1)
	require.Equal(t, 1, strings.Count(w.stdout.String(), "out of memory"))
	require.Equal(t, map[store.DeliveryState]int{store.Delivered: 3}, w.deliveryStates())
}

func (w *world) awaitDelivered(n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.deliveryStates()[store.Delivered] == n }, patience, 50*time.Millisecond)
}

// deliveryStates reads the store beside or after the server.
func (w *world) deliveryStates() map[store.DeliveryState]int {
	db, err := sqlite.Open(w.t.Context(), filepath.Join(w.dir, "notifier.db"))
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	_, states, err := db.Counts(w.t.Context())
	require.NoError(w.t, err)
	return states
}

func TestSyncSendIsDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config())
	r := w.request(w.run("f1"), "notification_send", object{"send": tellAll(), "require": "delivered", "message": object{"title": "Hello {{.User}}"}})
	stream, err := w.sync.ExecuteTaskSync(w.context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&admin.ExecuteTaskSyncRequest{Part: &admin.ExecuteTaskSyncRequest_Header{Header: &admin.CreateRequestHeader{
		Template: r.GetTemplate(), OutputPrefix: r.GetOutputPrefix(), TaskExecutionMetadata: r.GetTaskExecutionMetadata(),
	}}}))
	require.NoError(t, stream.CloseSend())
	got, err := stream.Recv()
	require.NoError(t, err)
	require.Equal(t, core.TaskExecution_SUCCEEDED, got.GetHeader().GetResource().GetPhase(), got.GetHeader().GetResource().GetMessage())
	require.Len(t, w.slack.Messages("ml"), 1)
	require.Contains(t, slacksim.Render(w.slack.Messages("ml")[0]), "Hello ada")
	require.Contains(t, w.stdout.String(), "Hello ada")
}

// While flyteadmin is down, tasks are accepted, /healthz stays well, and nothing is lost.
func TestFlyteadminDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config())
	code, body := w.page("/readyz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "store: ok\nflyteadmin: ok\n", body)

	id := w.run("f1")
	w.flyte.SetFault(flytesim.All, flytesim.Fault{Code: codes.Internal, Message: "database is down"})
	w.register(id)
	code, body = w.page("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.True(t, strings.HasPrefix(body, "store: ok\nflyteadmin: "), body)
	code, _ = w.page("/healthz")
	require.Equal(t, http.StatusOK, code)

	w.flyte.SetPhase(id, "FAILED")
	w.flyte.ClearFaults()
	_, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	code, _ = w.page("/readyz")
	require.Equal(t, http.StatusOK, code)
}

func TestMetricsTellWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config())
	id := w.run("f1")
	w.register(id)
	w.flyte.SetPhase(id, "FAILED")
	_, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, body := w.page("/metrics")
		return strings.Contains(body, `flyte_notifier_deliveries{state="delivered"} 3`) &&
			strings.Contains(body, `flyte_notifier_watches{state="ended"} 1`)
	}, patience, 50*time.Millisecond)
	_, body := w.page("/metrics")
	for _, name := range []string{
		"flyte_notifier_admin_list_calls_total", "flyte_notifier_admin_list_errors_total", "flyte_notifier_sweep_finds_total",
		"flyte_notifier_scope_failing_seconds 0", "go_goroutines", "process_start_time_seconds",
	} {
		require.Contains(t, body, "\n"+name)
	}
}

// Whatever hangs, the server stops; what was in flight is settled by the next one, once.
func TestStopWhileAllHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config())
	id := w.run("f1")
	w.register(id)
	w.slack.Fail("chat.postMessage", slacksim.Fault{Stored: true, Hang: true})
	w.mail.Fail(sendgridsim.Fault{Hang: true})
	w.flyte.SetPhase(id, "FAILED")
	require.NoError(t, w.slack.AwaitCalls(w.context(), "chat.postMessage", 1))
	require.NoError(t, w.mail.WaitRequests(w.context(), 1))
	w.flyte.SetFault(flytesim.All, flytesim.Fault{Hang: true})

	start := time.Now()
	require.NoError(t, w.stop())
	require.Less(t, time.Since(start), 15*time.Second)
	require.Contains(t, w.log.String(), `"msg":"stopped"`)

	w.flyte.ClearFaults()
	w.start(w.config())
	w.awaitDelivered(3)
	require.Len(t, w.slack.Messages("ml"), 1, "Slack had it, and said so when asked")
	require.Len(t, w.mail.Mails(), 1)
}

func TestOldRowsAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config())
	id := w.run("f1")
	w.register(id)
	w.flyte.SetPhase(id, "FAILED")
	w.awaitDelivered(3)
	require.NoError(t, w.stop())

	w.start(w.config("retention: {watches: 1ms, deliveries: 1ms}"))
	require.Eventually(t, func() bool { return len(w.deliveryStates()) == 0 }, patience, 50*time.Millisecond)
	w.register(id) // a replay of what was purged tells nothing again
	_, body := w.page("/metrics")
	require.Contains(t, body, `flyte_notifier_watches{state="active"} 0`)
	require.NoError(t, w.stop())
	require.Len(t, w.slack.Messages("ml"), 1)
}

func TestWhatCannotStart(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(w *world) *config.Config{
		"invalid config:\nconnections.mail.sendgrid.api_key: read secret: open DIR/sendgrid: no such file or directory\n" +
			"connections.team-slack.slack.token: secret file:DIR/slack is empty or not set\n": func(w *world) *config.Config {
			w.write("slack", "\n")
			require.NoError(w.t, os.Remove(filepath.Join(w.dir, "sendgrid")))
			return w.config()
		},
		"another flyte-notifier serves this store: DIR/notifier.db": func(w *world) *config.Config {
			db, err := sqlite.OpenServer(w.t.Context(), filepath.Join(w.dir, "notifier.db"))
			require.NoError(w.t, err)
			w.t.Cleanup(func() { require.NoError(w.t, db.Close()) })
			return w.config()
		},
		"connect to flyteadmin: ": func(w *world) *config.Config {
			c := w.config()
			c.Admin.CACertFilePath, c.Admin.Insecure = w.dir+"/none", false
			return c
		},
	} {
		t.Run(strings.Fields(want)[0], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			err := app.Run(w.context(), app.Options{Config: spoil(w), Stdout: w.stdout, Log: slog.New(slog.DiscardHandler)})
			require.ErrorContains(t, err, strings.ReplaceAll(want, "DIR", w.dir))
			require.NotContains(t, err.Error(), slacksim.DefaultToken)
		})
	}
}
