package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// Credentials that a test can find wherever they leak to.
const (
	slackToken  = "xoxb-canary-of-slack-7391"
	sendgridKey = "SG.canary-of-sendgrid-7391"
)

// output is what a command prints. It may be read meanwhile.
type output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await returns once the output holds the text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(patience)
	for {
		o.mu.Lock()
		found, changed := strings.Contains(o.b.String(), text), o.changed
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("no %q in\n%s", text, o)
		}
	}
}

// result is what came of a command.
type result struct {
	code           int
	stdout, stderr string
}

func command(t *testing.T, args ...string) result {
	t.Helper()
	out, errs := newOutput(), newOutput()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code := run(ctx, args, out, errs)
	return result{code, out.String(), errs.String()}
}

// world is a config with all it needs, in a folder of its own.
type world struct {
	t      *testing.T
	dir    string
	config string
	flyte  *flytesim.Server
	slack  *slacksim.Sim
	mail   *sendgridsim.Server
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), flyte: flytesim.New(), mail: sendgridsim.New(sendgridKey)}
	w.slack = slacksim.New(slacksim.Options{
		Tokens: map[string][]string{slackToken: slacksim.AllScopes}, Channels: []slacksim.Channel{{Name: "ml-alerts"}, {Name: "other"}},
	})
	endpoint, stop, err := w.flyte.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { stop(); w.slack.Close(); w.mail.Close() })
	w.write("slack", slackToken)
	w.write("sendgrid", sendgridKey)
	w.config = w.write("config.yaml", strings.NewReplacer(
		"DIR", w.dir, "ADMIN", endpoint, "SLACK", w.slack.URL(), "SENDGRID", w.mail.URL(),
	).Replace(`
server: {listen: "127.0.0.1:0", http: "127.0.0.1:0"}
admin:  {endpoint: "ADMIN", insecure: true}
store:  {url: "sqlite://DIR/notifier.db"}
watch:  {interval: 50ms}
connections:
  team-slack:
    slack: {token: {file: "DIR/slack"}, api_url: "SLACK"}
    allow: {destinations: ["#ml-*"]}
  mail: {sendgrid: {api_key: {file: "DIR/sendgrid"}, from: flyte@example.org, host: "SENDGRID"}}
defaults: {slack: team-slack, sendgrid: mail}
`))
	return w
}

func (w *world) write(name, content string) string {
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// change edits the config file.
func (w *world) change(old, replacement string) {
	content, err := os.ReadFile(w.config)
	require.NoError(w.t, err)
	require.Contains(w.t, string(content), old)
	w.write("config.yaml", strings.Replace(string(content), old, replacement, 1))
}

// fill puts the world's folder where a text says DIR.
func (w *world) fill(text string) string { return strings.ReplaceAll(text, "DIR", w.dir) }

// on runs a command on the config.
func (w *world) on(name string, args ...string) result {
	w.t.Helper()
	return command(w.t, append([]string{name, "--config", w.config}, args...)...)
}

// serve runs the server in the background. stop ends it and returns its exit code.
func (w *world) serve(args ...string) (stdout, stderr *output, stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr = newOutput(), newOutput()
	done := make(chan int, 1)
	go func() { done <- run(ctx, append([]string{"serve", "--config", w.config}, args...), stdout, stderr) }()
	ended := false
	stop = func() int {
		cancel()
		ended = true
		return <-done
	}
	w.t.Cleanup(func() {
		if !ended {
			stop()
		}
	})
	stderr.await(w.t, `"msg":"serving"`)
	return stdout, stderr, stop
}

// lines reads what --json printed.
func lines(t *testing.T, stdout string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		all = append(all, m)
	}
	return all
}

// seed fills the store with a watch and a delivery in each state.
func (w *world) seed() {
	db, err := sqlite.Open(w.t.Context(), filepath.Join(w.dir, "notifier.db"))
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	now := time.Date(2026, 11, 22, 9, 33, 0, 0, time.UTC)
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f7k2"}
	watch, err := db.Register(w.t.Context(), store.Watch{
		ID: "w1", Kind: store.Follow, State: store.Active, Execution: id, Own: id, CreatedAt: now,
		Custom: json.RawMessage(`{}`), Inputs: json.RawMessage(`{}`),
	})
	require.NoError(w.t, err)
	watch.Phase, watch.State, watch.EndedAt = "FAILED", store.Ended, now.Add(time.Minute)
	move := store.Transition{Watch: watch}
	for i, address := range []string{"#ml-alerts", "#other\x1b[31m\n<b>", "#slow"} {
		move.Deliveries = append(move.Deliveries, store.Delivery{
			ID: fmt.Sprint("d", i), Key: fmt.Sprint("key", i), WatchID: "w1", Execution: id, Rule: "failed", Reason: "phase:FAILED",
			Kind: "slack", Connection: "team-slack", Destination: json.RawMessage(`{"channel":"#ml-alerts"}`), Address: address,
			Content: json.RawMessage(`{}`), State: store.Pending, NextAt: now, CreatedAt: now, Since: now,
		})
	}
	require.NoError(w.t, db.Move(w.t.Context(), move))
	for i, o := range []store.Outcome{
		{Attempt: 1, State: store.Delivered, At: now.Add(2 * time.Second), Receipt: map[string]string{"channel": "C1", "ts": "1.2"}},
		{Attempt: 1, State: store.Dead, At: now.Add(3 * time.Second), LastError: "slack: channel_not_found"},
	} {
		_, err := db.Begin(w.t.Context(), fmt.Sprint("d", i), 0, o.At, nil)
		require.NoError(w.t, err)
		require.NoError(w.t, db.Settle(w.t.Context(), fmt.Sprint("d", i), o))
	}
}

// seedDead fills the store with dead deliveries of the keys, by id.
func (w *world) seedDead(keys map[string]string) {
	db, err := sqlite.Open(w.t.Context(), filepath.Join(w.dir, "notifier.db"))
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	now := time.Date(2026, 11, 22, 9, 33, 0, 0, time.UTC)
	var all []store.Delivery
	for id, key := range keys {
		watch, rule, connection := "w1", "slow", "team-slack"
		switch {
		case strings.HasPrefix(key, "ops|"):
			watch, rule = "ops", "ops"
		case strings.Contains(key, "fallback["):
			connection = "fallback"
		}
		all = append(all, store.Delivery{
			ID: id, Key: key, WatchID: watch, Rule: rule, Reason: rule, Kind: "slack", Connection: connection, Destination: json.RawMessage(`{}`),
			Address: "#ml", Content: json.RawMessage(`{}`), State: store.Dead, LastError: "dead on purpose", NextAt: now, CreatedAt: now, Since: now, SettledAt: now,
		})
	}
	require.NoError(w.t, db.Write(w.t.Context(), store.Change{Deliveries: all}))
}
