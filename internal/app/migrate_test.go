package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/migrate"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// A server on SQLite is stopped with messages sent, under way and held up, and with executions that
// still run; a server on Postgres goes on. Everything is told, and nothing twice.
func TestMigratedStoreGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.config()
	w.start(old)
	told, later := w.run("told"), w.run("later")
	w.register(told)
	w.register(later)
	w.flyteFails(told)
	w.awaitDelivered(3)

	w.slack.Fail("chat.postMessage", slacksim.Fault{Stored: true, Hang: true})
	open := w.run("open")
	w.register(open)
	w.flyteFails(open)
	require.NoError(t, w.slack.AwaitCalls(w.context(), "chat.postMessage", 2))
	w.slack.Fail("chat.postMessage", slacksim.Fault{Error: "internal_error"})
	held := w.run("held")
	w.register(held)
	w.flyteFails(held)
	require.NoError(t, w.slack.AwaitCalls(w.context(), "chat.postMessage", 3))
	require.NoError(t, w.stop())

	c := w.onPostgres(pgtest.Database(t))
	to, err := app.PostgresOptions(c)
	require.NoError(t, err)
	place, err := old.Store.URL.Place()
	require.NoError(t, err)
	r, err := migrate.Run(t.Context(), migrate.Options{From: place.File, To: to})
	require.NoError(t, err)
	require.Equal(t, 4, r.NewWatches)
	require.ErrorContains(t, app.Run(w.context(), app.Options{Config: old, Stdout: w.stdout, Log: w.logger()}), "was moved to Postgres")

	w.start(c)
	w.register(told) // a replay
	w.flyteFails(later)
	require.Eventually(t, func() bool { return w.states(c)[store.Delivered] == 12 }, patience, 50*time.Millisecond)
	require.NoError(t, w.stop())
	require.Len(t, w.slack.Messages("ml"), 4)
	require.Len(t, w.mail.Mails(), 4)
	require.Equal(t, map[store.DeliveryState]int{store.Delivered: 12}, w.states(c))
}
