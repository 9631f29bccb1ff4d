package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// watched is a server whose config file is looked at all the time, and read at once when hup is called.
type watched struct {
	*world
	signals chan os.Signal
	taken   chan *config.Config
}

func newWatched(t *testing.T) *watched {
	w := newUnwatched(t)
	ticker := time.NewTicker(5 * time.Millisecond)
	t.Cleanup(ticker.Stop)
	w.source.Ticks = ticker.C
	return w
}

// newUnwatched reads the file when hup is called, and only then.
func newUnwatched(t *testing.T) *watched {
	w := &watched{
		world: newWorld(t), signals: make(chan os.Signal), taken: make(chan *config.Config, 1000),
	}
	w.source = &app.Source{File: filepath.Join(w.dir, "config.yaml"), Signals: w.signals, Ticks: make(chan time.Time)}
	w.reloaded = func(c *config.Config) { w.taken <- c }
	return w
}

// edit writes the config with more lines, in the place of others if they say so: "old => new".
func (w *watched) edit(edits ...string) {
	text := w.text()
	for _, e := range edits {
		before, after, replaces := strings.Cut(e, " => ")
		if !replaces {
			text += "\n" + e
			continue
		}
		require.Contains(w.t, text, w.fill(before))
		text = strings.Replace(text, w.fill(before), w.fill(after), 1)
	}
	w.write("next.yaml", text)
	require.NoError(w.t, os.Rename(filepath.Join(w.dir, "next.yaml"), w.source.File)) // as editors do
}

func (w *watched) hup() { w.signals <- syscall.SIGHUP }

func (w *watched) awaitTaken() *config.Config {
	w.t.Helper()
	select {
	case c := <-w.taken:
		return c
	case <-w.context().Done():
		w.t.Fatalf("no config was taken up\n%s", w.log)
		return nil
	}
}

// awaitLog waits until the log has so many lines with a text.
func (w *watched) awaitLog(text string, n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return strings.Count(w.log.String(), text) >= n }, patience, 5*time.Millisecond, "%s", text)
}

// task creates a task that tells of failures through a connection, and returns how it stands.
func (w *watched) task(name, connection string) core.TaskExecution_Phase {
	w.t.Helper()
	created, err := w.agent.CreateTask(w.context(), w.request(w.run(name), "notification", object{"rules": list{object{
		"when": object{"phase": list{"FAILED"}}, "send": list{object{"slack": object{"connection": connection, "channel": "#ml"}}},
	}}}))
	require.NoError(w.t, err)
	got, err := w.agent.GetTask(w.context(), &admin.GetTaskRequest{ResourceMeta: created.GetResourceMeta()})
	require.NoError(w.t, err)
	return got.GetResource().GetPhase()
}

// second is a connection beside the world's.
const second = `connections: => connections:
  second: {slack: {token: {file: "DIR/slack2"}, api_url: "SLACK"}}`

func TestANewConnectionNeedsNoRestart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		watched  func(*testing.T) *watched
		announce func(*watched)
	}{
		"on SIGHUP":           {newUnwatched, (*watched).hup},
		"as the file changes": {newWatched, func(*watched) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tc.watched(t)
			w.start(w.config())
			w.write("slack2", slacksim.DefaultToken)
			require.Equal(t, core.TaskExecution_FAILED, w.task("f1", "second"))
			w.edit(second)
			tc.announce(w)
			c := w.awaitTaken()
			require.Contains(t, c.Connections, "second")
			require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f2", "second"))
			w.flyteFails(execution("f2"))
			_, err := w.slack.Await(w.context(), "ml", 1)
			require.NoError(t, err)
			w.awaitDelivered(1)

			w.edit() // without it
			tc.announce(w)
			w.awaitTaken()
			require.Equal(t, core.TaskExecution_FAILED, w.task("f3", "second"))
			require.NoError(t, w.stop())
			require.Contains(t, w.log.String(), `"changed":["connections.second"],"needs_restart":null`)
		})
	}
}

// What was accepted for a connection that is gone when it is to be sent is dead, as after a restart.
func TestARemovedConnection(t *testing.T) {
	t.Parallel()
	w := newUnwatched(t)
	w.write("slack2", slacksim.DefaultToken)
	w.config()
	w.edit(second)
	w.start(w.load())
	require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f1", "second"))
	w.edit()
	w.hup()
	w.awaitTaken()
	w.flyteFails(execution("f1"))
	require.Eventually(t, func() bool { return w.deliveryStates()[store.Dead] == 1 }, patience, 20*time.Millisecond)
	require.Empty(t, w.slack.Messages(""))
}

func TestAConnectionsTokenIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.write("slack", "xoxb-revoked")
	w.start(w.config())
	require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f1", "team-slack"))
	w.flyteFails(execution("f1"))
	require.Eventually(t, func() bool { return w.deliveryStates()[store.Dead] == 1 }, patience, 20*time.Millisecond)
	w.write("slack2", slacksim.DefaultToken)
	w.edit(`"DIR/slack" => "DIR/slack2"`)
	w.awaitTaken()
	require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f2", "team-slack"))
	w.flyteFails(execution("f2"))
	_, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	w.awaitDelivered(1)
	for _, secret := range []string{slacksim.DefaultToken, "xoxb-revoked"} {
		require.NotContains(t, w.log.String(), secret)
	}
}

// The rest of the keys that a server takes up.
func TestPolicyScopesAndRetentionNeedNoRestart(t *testing.T) {
	t.Parallel()
	w := newUnwatched(t)
	w.start(w.config())
	w.edit(`watch:  {interval: 50ms, => watch:  {interval: 50ms, allow_cross_project: true,`, `slack: team-slack, => `,
		`delivery: {max_attempts: 1}`)
	w.hup()
	w.awaitTaken()
	w.awaitLog(`"changed":["defaults.slack","delivery.max_attempts","watch.allow_cross_project"]`, 1)
	require.Equal(t, core.TaskExecution_FAILED, w.task("f1", ""), "there is no default any more")
	require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f2", "team-slack"))
	w.slack.Fail("chat.postMessage", slacksim.Fault{Status: http.StatusInternalServerError, Body: "oops"})
	w.flyteFails(execution("f2"))
	require.Eventually(t, func() bool { return w.deliveryStates()[store.Dead] == 1 }, patience, 20*time.Millisecond)
	w.edit(`slack: team-slack, => `)
	w.hup()
	w.awaitTaken()
	w.edit(`retention: {watches: 1ms, deliveries: 1ms}`)
	w.hup()
	require.Eventually(t, func() bool { return len(w.deliveryStates()) == 0 }, patience, 20*time.Millisecond, "what is too old goes at once")
}

func TestABadFileChangesNothingAndIsShown(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.start(w.config())
	w.awaitPage("flyte_notifier_config_last_reload_successful 1")
	for what, tc := range map[string]struct {
		spoil func()
		want  string
	}{
		"no YAML":                    {func() { w.edit("connections: => connections: [") }, "config: "},
		"an unknown key":             {func() { w.edit("admin:  { => admin:  {endpont: x, ") }, "config: admin.endpont: unknown key"},
		"a secret that is not there": {func() { w.edit(second) }, "config: connections.second.slack.token: read secret: open DIR/slack2: no such file"},
		"half of a file":             {func() { w.write("config.yaml", w.text()[:40]) }, "config: "},
		"no file":                    {func() { require.NoError(t, os.Remove(w.source.File)) }, "config: read config: open DIR/config.yaml: no such file"},
	} {
		before := strings.Count(w.log.String(), "config cannot be reloaded")
		tc.spoil()
		w.awaitPage("flyte_notifier_config_last_reload_successful 0")
		code, body := w.page("/readyz")
		require.Equal(t, http.StatusOK, code, "the config before it is in force")
		require.Contains(t, body, "store: ok\nflyteadmin: ok\n"+w.fill(tc.want), what)
		require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f1", "team-slack"))
		w.awaitLog("config cannot be reloaded", before+1)
		require.Equal(t, before+1, strings.Count(w.log.String(), "config cannot be reloaded"), "%s: once, however often it is read", what)

		healed := strings.Count(w.log.String(), "config reloaded")
		w.edit()
		w.awaitPage("flyte_notifier_config_last_reload_successful 1")
		w.awaitLog("config reloaded", healed+1)
		_, body = w.page("/readyz")
		require.Equal(t, "store: ok\nflyteadmin: ok\n", body)
	}
	require.Empty(t, w.taken, "nothing else was ever in force")
}

// Kubernetes brings a ConfigMap and a Secret one after the other, in any order.
func TestASecretThatComesAfterTheConfig(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.start(w.config())
	w.edit(second)
	w.awaitPage("flyte_notifier_config_last_reload_successful 0")
	w.write("slack2", slacksim.DefaultToken)
	w.awaitTaken()
	require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f1", "second"))
}

func TestKeysThatNeedARestartAreNamed(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.write("slack2", slacksim.DefaultToken)
	w.start(w.config())
	w.edit(`http: "127.0.0.1:0" => http: "127.0.0.1:1"`, `watch:  {interval: 50ms => watch:  {interval: 60ms`, second)
	w.awaitTaken()
	require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f1", "second"), "the rest is taken up")
	_, body := w.page("/readyz")
	require.Equal(t, "store: ok\nflyteadmin: ok\nconfig: server.http: changed, needs a restart\nconfig: watch.interval: changed, needs a restart\n", body)
	w.awaitPage(`flyte_notifier_config_restart_needed{key="server.http"} 1`)
	w.awaitPage("flyte_notifier_config_last_reload_successful 1")
	w.awaitLog(`"needs_restart":["server.http","watch.interval"]`, 1)
	w.edit(second)
	w.awaitLog(`"needs_restart":null`, 1)
	_, body = w.page("/readyz")
	require.Equal(t, "store: ok\nflyteadmin: ok\n", body)
	_, metrics := w.page("/metrics")
	require.NotContains(t, metrics, "restart_needed{")
}

// A ConfigMap's file is a link into a folder, which is a link that is swapped: the file itself never changes.
func TestAConfigMapsSwap(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.write("slack2", slacksim.DefaultToken)
	c := w.config()
	w.source.File = w.mount(0, w.text())
	w.start(c)
	w.source.File = filepath.Join(w.dir, "config.yaml")
	for i := range 5 {
		edits := []string{second}
		if i%2 == 1 {
			edits = nil
		}
		w.edit(edits...)
		text, err := os.ReadFile(w.source.File)
		require.NoError(t, err)
		w.mount(i+1, string(text))
		_, has := w.awaitTaken().Connections["second"]
		require.Equal(t, i%2 == 0, has)
	}
	require.NotContains(t, w.log.String(), "cannot be reloaded")
}

// mount does what kubelet does, and returns the file's path.
func (w *watched) mount(version int, text string) string {
	root := filepath.Join(w.dir, "mount")
	folder := filepath.Join(root, "..v"+string(rune('a'+version)))
	require.NoError(w.t, os.MkdirAll(folder, 0o700))
	require.NoError(w.t, os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(text), 0o600))
	next, data, file := filepath.Join(root, "..data_tmp"), filepath.Join(root, "..data"), filepath.Join(root, "config.yaml")
	require.NoError(w.t, os.Symlink(filepath.Base(folder), next))
	require.NoError(w.t, os.Rename(next, data))
	if version == 0 {
		require.NoError(w.t, os.Symlink("..data/config.yaml", file))
		return file
	}
	require.NoError(w.t, os.RemoveAll(filepath.Join(root, "..v"+string(rune('a'+version-1)))))
	return file
}

// What changed between the start's reading and the first look is not overlooked.
func TestAFileThatChangedDuringTheStart(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.write("slack2", slacksim.DefaultToken)
	c := w.config()
	w.edit(second)
	w.start(c)
	require.Contains(t, w.awaitTaken().Connections, "second")
}

// On Postgres a new connection gets a queue, and what only SQLite allows is refused.
func TestReloadOnPostgres(t *testing.T) {
	t.Parallel()
	w := newUnwatched(t)
	w.write("slack2", slacksim.DefaultToken)
	c := w.onPostgres(pgtest.Database(t))
	w.source.Environ = []string{"FLYTE_NOTIFIER__STORE={url: {file: " + filepath.Join(w.dir, "store-url") + "}}"}
	w.start(c)
	w.edit(second)
	w.hup()
	w.awaitTaken()
	require.Equal(t, core.TaskExecution_SUCCEEDED, w.task("f1", "second"))
	start := time.Now()
	w.flyteFails(execution("f1"))
	_, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	require.Less(t, time.Since(start), 10*time.Second)
	w.edit(second, "delivery: {timeout: 25s}")
	w.hup()
	w.awaitLog("delivery.timeout: must be at most 20s with a store.url of Postgres", 1)
	require.NoError(t, w.stop())
}
