package webhook_test

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

var update = flag.Bool("update", false, "write testdata anew")

// What no error may show.
const (
	urlToken    = "T0kenInThePath"
	queryToken  = "t0ken-in-query"
	headerToken = "tk_header-secret"
	signing     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// secret writes a value where a config can refer to it.
func secret(t testing.TB, value string) notifier.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return notifier.Secret{File: file}
}

// open makes a notifier all of whose requests go through one client.
func open(t testing.TB, c webhook.Config, client *http.Client) *webhook.Notifier {
	t.Helper()
	n, err := webhook.New(c, notifier.Deps{HTTP: client, Guarded: client})
	require.NoError(t, err)
	return n
}

// received is a request as the receiver got it.
type received struct {
	method, path, escaped, query string
	header                       http.Header
	body                         []byte
}

// receiver answers as it is told, and remembers.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	got    []received
	status int
	header map[string]string
	body   string
}

func receive(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{q.Method, q.URL.Path, q.URL.EscapedPath(), q.URL.RawQuery, q.Header, body})
		for name, value := range r.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.body)
	}))
	t.Cleanup(r.Close)
	return r
}

// answerOf is what a service of the format says when it takes a message.
func answerOf(format string) string {
	switch format {
	case "mattermost":
		return "ok"
	case "discord":
		return `{"id": "11", "channel_id": "22", "content": ""}`
	case "google-chat":
		return `{"name": "spaces/A/messages/B", "text": ""}`
	case "ntfy":
		return `{"id": "x9", "time": 1763780400, "event": "message", "topic": "topic"}`
	}
	return "thanks"
}

// receiveAs is a receiver that takes messages as a service of the format does.
func receiveAs(t testing.TB, format string) *receiver {
	t.Helper()
	r := receive(t)
	r.answers(http.StatusOK, answerOf(format), nil)
	return r
}

func (r *receiver) answers(status int, body string, header map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.body, r.header = status, body, header
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// only is the one request that came.
func (r *receiver) only(t testing.TB) received {
	t.Helper()
	all := r.all()
	require.Len(t, all, 1)
	return all[0]
}

// failed is a message with all there can be, some of it hostile.
func failed() notifier.Message {
	return notifier.Message{
		Key: "d-0001", Status: notifier.Failure, Title: "train_model FAILED <!channel> @everyone",
		Body: "Look at https://flyte.example.org/a_b_c?x=@here first.\n# not a heading\n[click](https://evil.example.org) @here <users/all>",
		Facts: []notifier.Fact{
			{Name: "Execution", Value: "f1", URL: "https://flyte.example.org/console/f1"},
			{Name: "Started by", Value: "@channel *bold*"},
			{Name: "", Value: "nameless"},
			{Name: "Empty", Value: " "},
		},
		Error: "ValueError: ``` @all <b>x</b>\n  at line 3",
		Links: []notifier.Link{
			{Text: "Open in the Flyte console", URL: "https://flyte.example.org/console/f1?a=(b)&c=\"d\""},
			{Text: "script", URL: "javascript:alert(1)"},
			{Text: "user", URL: "https://user@evil.example.org"},
		},
		Notes: []string{"a note @here"}, Reason: "phase:FAILED", Time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
		Vars: map[string]any{"Project": "ml", "Domain": "production", "Name": "f1", "Phase": "FAILED", "Inputs": map[string]any{"rows": int64(1<<53 + 1)}},
	}
}

// golden compares with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// texts are the problems in lines.
func texts(all []notifier.Problem) string {
	var lines []string
	for _, p := range all {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}
