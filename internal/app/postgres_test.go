package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// onPostgres is the world's config over a database of its own, given as a reference.
func (w *world) onPostgres(url string, more ...string) *config.Config {
	w.t.Helper()
	reference := w.write("store-url", url)
	c, problems, err := config.Load(w.write("config.yaml", w.text(more...)), []string{"FLYTE_NOTIFIER__STORE={url: {file: " + reference + "}}"}, registry())
	require.NoError(w.t, err)
	require.Empty(w.t, problems)
	return c
}

// states counts deliveries in the store of a config.
func (w *world) states(c *config.Config) map[store.DeliveryState]int {
	st, err := app.OpenStore(w.t.Context(), c)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, st.Close()) }()
	_, states, err := st.Counts(w.t.Context())
	require.NoError(w.t, err)
	return states
}

func TestAFailureIsToldOnPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.onPostgres(pgtest.Database(t), `retention: {watches: 1h, deliveries: 1h}`)
	w.start(c)
	id := w.run("f1")
	w.register(id)
	w.flyteFails(id)
	_, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.states(c)[store.Delivered] == 3 }, patience, 50*time.Millisecond)
	code, body := w.page("/readyz")
	require.Equal(t, http.StatusOK, code, body)
	for _, line := range []string{"flyte_notifier_members 1", "flyte_notifier_shards_held 1", `flyte_notifier_deliveries{state="delivered"} 3`} {
		require.Eventually(t, func() bool {
			_, metrics := w.page("/metrics")
			return strings.Contains(metrics, "\n"+line+"\n")
		}, patience, 50*time.Millisecond, line)
	}
	code, _ = w.page("/river")
	require.Equal(t, http.StatusNotFound, code, "off by default")

	start := time.Now()
	require.NoError(t, w.stop())
	require.Less(t, time.Since(start), 10*time.Second)
	require.Len(t, w.slack.Messages("ml"), 1)
	require.Len(t, w.mail.Mails(), 1)
}

// Two servers share a store, and each takes calls; what one that stops had, the other goes on with.
func TestTwoServersShareAStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.onPostgres(pgtest.Database(t))
	w.start(c)
	stopFirst := w.stop
	id := w.run("f1")
	w.register(id)
	w.start(c)
	w.register(id) // a replay, at the other
	require.NoError(t, stopFirst())
	w.flyteFails(id)
	_, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.states(c)[store.Delivered] == 3 }, patience, 50*time.Millisecond)
	require.NoError(t, w.stop())
	require.Len(t, w.slack.Messages("ml"), 1)
}

func TestRiversPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("ui", "hunter2\n")
	c := w.onPostgres(pgtest.Database(t))
	ui := w.riverUI()
	c.Server.RiverUI = ui
	w.start(c)
	ask := func(path, user, password string) (int, string) {
		r, err := http.NewRequestWithContext(w.context(), http.MethodGet, "http://"+w.http+path, http.NoBody)
		require.NoError(t, err)
		r.SetBasicAuth(user, password)
		return answerTo(t, r)
	}
	code, _ := w.page("/river")
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = ask("/river/", "ada", "wrong")
	require.Equal(t, http.StatusUnauthorized, code)
	code, body := ask("/river", "ada", "hunter2")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "<html")
	code, body = ask("/river/api/states", "ada", "hunter2")
	require.Equal(t, http.StatusOK, code, body)
	code, body = ask("/river/api/queues", "ada", "hunter2")
	require.Equal(t, http.StatusOK, code, body)
	require.NoError(t, w.stop())
}

// What the config cannot have on SQLite is found at the latest when the reference is read.
func TestWhatNeedsPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("ui", "hunter2")
	c := w.onPostgres("sqlite://" + w.dir + "/notifier.db")
	c.Server.RiverUI = w.riverUI()
	err := app.Run(w.context(), app.Options{Config: c, Stdout: w.stdout, Log: w.logger()})
	require.ErrorContains(t, err, "server.river_ui: needs a store.url of Postgres")

	c = w.onPostgres("postgres://ada:hunter2@127.0.0.1:1/x?sslmode=disable")
	err = app.Run(w.context(), app.Options{Config: c, Stdout: w.stdout, Log: w.logger()})
	require.Error(t, err)
	require.NotContains(t, err.Error()+w.log.String(), "hunter2")

	c.Server.RiverUI = w.riverUI()
	w.write("ui", " ")
	err = app.Run(w.context(), app.Options{Config: c, Stdout: w.stdout, Log: w.logger()})
	require.ErrorContains(t, err, "server.river_ui.password: secret file:")
}

// What the config cannot have on Postgres is found at the latest when the reference is read.
func TestWhatNeedsSQLite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.onPostgres("postgres://ada:hunter2@127.0.0.1:1/x?sslmode=disable")
	c.Delivery.Timeout = 25 * time.Second
	err := app.Run(w.context(), app.Options{Config: c, Stdout: w.stdout, Log: w.logger()})
	require.ErrorContains(t, err, "delivery.timeout: must be at most 20s with a store.url of Postgres")
}

// While Postgres is away the server lives on, and says so; afterwards it needs no restart.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	w, pg := newWorld(t), pgtest.Start(t, pgtest.Options{})
	c := w.onPostgres(pg.Database(t))
	w.start(c)
	id := w.run("f1")
	meta := w.register(id)
	require.NoError(t, pg.Stop(pgtest.Immediate))
	code, body := w.page("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "\nflyteadmin: ok\n")
	code, _ = w.page("/healthz")
	require.Equal(t, http.StatusOK, code)
	got, err := w.agent.GetTask(w.context(), &admin.GetTaskRequest{ResourceMeta: meta})
	require.NoError(t, err)
	require.Equal(t, core.TaskExecution_SUCCEEDED, got.GetResource().GetPhase(), "it needs no store")

	w.flyteFails(id)
	require.NoError(t, pg.Start(w.context()))
	_, err = w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	require.Eventually(t, func() bool { code, _ := w.page("/readyz"); return code == http.StatusOK }, patience, 50*time.Millisecond)
	require.NoError(t, w.stop())
	require.Len(t, w.slack.Messages("ml"), 1)
}
