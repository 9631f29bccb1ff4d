package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// papers is all that somebody could read, by where.
type papers map[string]string

func (p papers) mustNotHold(t *testing.T, secrets ...string) {
	t.Helper()
	for where, text := range p {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", where, secret)
			}
		}
	}
}

// TestSecretsStayWhereTheyAre lets messages succeed and fail in every way there is, and then looks
// for the credentials in all that the server and the commands print, answer and write.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("watch:  {", "delivery: {max_attempts: 1, timeout: 1s}\nwatch:  {")
	w.change(`allow: {destinations: ["#ml-*"]}`, "")
	stdout, stderr, stop := w.serve("--log-level", "debug")
	client := w.dial(served(t, stderr, "grpc"))

	seen := papers{}
	faults := map[string]func(){
		"well": func() {},
		"invalid_auth": func() {
			w.slack.Fail("chat.postMessage", slacksim.Fault{Error: "invalid_auth"})
			w.mail.Fail(sendgridsim.Fault{Status: http.StatusUnauthorized})
		},
		"server-error": func() {
			w.slack.Fail("chat.postMessage", slacksim.Fault{Status: http.StatusInternalServerError, Body: "oops"})
			w.mail.Fail(sendgridsim.Fault{Status: http.StatusInternalServerError})
		},
		"reset": func() {
			w.slack.Fail("chat.postMessage", slacksim.Fault{Reset: true})
			w.mail.Fail(sendgridsim.Fault{Reset: true})
		},
		"hang": func() {
			w.slack.Fail("chat.postMessage", slacksim.Fault{Hang: true})
			w.mail.Fail(sendgridsim.Fault{Hang: true})
		},
		"echo": func() { // a service, or a proxy before it, that answers with what it was sent
			w.slack.Fail("chat.postMessage", slacksim.Fault{Status: http.StatusBadRequest, Body: "bad header Authorization: Bearer " + slackToken})
			w.mail.Fail(sendgridsim.Fault{Status: http.StatusBadRequest, Body: `{"errors":[{"message":"bad key ` + sendgridKey + `"}]}`})
		},
	}
	settled := 0
	for name, fault := range faults {
		fault()
		seen["answers to "+name] = w.tell(client, name)
		settled += 2
		w.awaitSettled(settled)
	}
	w.slack.Close() // nobody listens any more
	seen["answers to closed"] = w.tell(client, "closed")
	w.awaitSettled(settled + 2)
	for _, page := range []string{"/readyz", "/metrics"} {
		seen[page] = w.page("http://" + served(t, stderr, "http") + page)
	}
	w.files(seen, "while it runs: ")
	require.Equal(t, 0, stop())
	w.files(seen, "after it: ")

	seen["log"], seen["stdout"] = stderr.String(), stdout.String()
	for _, args := range [][]string{
		{"deliveries"},
		{"deliveries", "--json"},
		{"watches"},
		{"watches", "--json"},
		{"redrive", "gone"},
		{"send", "--connection", "team-slack", "--to", `channel="#ml-alerts"`},
		{"send", "--connection", "mail", "--to", "to=[a@example.org]"},
	} {
		got := w.on(args[0], args[1:]...)
		seen[strings.Join(args, " ")] = got.stdout + got.stderr
	}
	got := command(t, "validate", w.config)
	seen["validate"] = got.stdout + got.stderr
	require.Contains(t, seen["deliveries"], "invalid_auth", "the failures are there to be read")
	require.Contains(t, seen["log"], "reset")
	seen.mustNotHold(t, slackToken, sendgridKey)
}

// served is an address from the log.
func served(t *testing.T, stderr *output, key string) string {
	t.Helper()
	for line := range strings.Lines(stderr.String()) {
		var event map[string]any
		if json.Unmarshal([]byte(line), &event) == nil && event["msg"] == "serving" {
			return event[key].(string)
		}
	}
	t.Fatal("the server does not say where it serves")
	return ""
}

func (w *world) dial(addr string) service.AsyncAgentServiceClient {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, conn.Close()) })
	return service.NewAsyncAgentServiceClient(conn)
}

// tell makes an execution that fails, and a task that tells of it; it returns what the API says.
func (w *world) tell(client service.AsyncAgentServiceClient, name string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name}
	w.flyte.Create(flytesim.Execution{ID: id, Workflow: "train"})
	w.flyte.SetPhase(id, "FAILED")
	custom, err := structpb.NewStruct(map[string]any{"rules": []any{map[string]any{
		"when": map[string]any{"phase": []any{"FAILED"}},
		"send": []any{
			map[string]any{"slack": map[string]any{"channel": "#ml-alerts"}},
			map[string]any{"sendgrid": map[string]any{"to": []any{"ml@example.org"}}},
		},
	}}})
	require.NoError(w.t, err)
	created, err := client.CreateTask(ctx, &admin.CreateTaskRequest{
		Template: &core.TaskTemplate{Type: "notification", Custom: custom}, OutputPrefix: "s3://b/" + name + "/0",
		TaskExecutionMetadata: &admin.TaskExecutionMetadata{TaskExecutionId: &core.TaskExecutionIdentifier{
			NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: "n0", ExecutionId: &core.WorkflowExecutionIdentifier{
				Project: id.Project, Domain: id.Domain, Name: id.Name,
			}},
		}},
	})
	require.NoError(w.t, err)
	got, err := client.GetTask(ctx, &admin.GetTaskRequest{ResourceMeta: created.GetResourceMeta()})
	require.NoError(w.t, err)
	return string(created.GetResourceMeta()) + protojson.Format(got)
}

func (w *world) awaitSettled(n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		settled := 0
		for _, d := range lines(w.t, w.on("deliveries", "--json").stdout) {
			if d["state"] != "pending" {
				settled++
			}
		}
		return settled >= n
	}, patience, 50*time.Millisecond)
}

func (w *world) page(url string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(w.t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	return string(raw)
}

// files reads the folder but for the secrets' own files: the database, its log, its lock, the config.
func (w *world) files(seen papers, when string) {
	w.t.Helper()
	found := 0
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err != nil || entry.IsDir() || name == "slack" || name == "sendgrid" {
			return err
		}
		// Another process reads: to close a file here would take SQLite's locks on it away.
		raw, err := exec.CommandContext(w.t.Context(), "cat", path).Output()
		require.NoError(w.t, err)
		if strings.HasPrefix(name, "notifier.db") && bytes.Contains(raw, []byte("ml-alerts")) {
			found++
		}
		seen[when+name] = string(raw)
		return nil
	}))
	require.Positive(w.t, found, "the database was looked at")
}
