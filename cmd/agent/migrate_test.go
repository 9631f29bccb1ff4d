package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seed()
	source := "sqlite://" + w.dir + "/notifier.db"
	for want, tc := range map[string]struct {
		code int
		args []string
	}{
		`required flag(s) "from" not set`:                                  {2, nil},
		"--from: must begin with sqlite://":                                {2, []string{"--from", "notifier.db"}},
		"--from: must be the URL of a store on SQLite":                     {2, []string{"--from", "postgres://u:hunter2@db/x"}},
		w.fill("store.url: must be one of Postgres, not sqlite://DIR/not"): {1, []string{"--from", source}},
	} {
		got := w.on("migrate", tc.args...)
		require.Equal(t, tc.code, got.code, got.stderr)
		require.Contains(t, got.stderr, want)
		require.NotContains(t, got.stderr, "hunter2")
	}

	w.change(source, pgtest.Database(t))
	got := w.on("deliveries")
	require.Equal(t, 1, got.code, "a command makes no schema: %s", got.stdout)
	got = w.on("migrate", "--from", "sqlite://"+w.dir+"/none.db")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "open the source: open store: ")
	got = w.on("migrate", "--from", source)
	require.Equal(t, 0, got.code, got.stderr)
	require.Equal(t, "copied 1 watches (1 of them new there) and 3 deliveries (3 new), 1 of them to be sent, 0 with an unknown outcome\n", got.stdout)
	got = w.on("migrate", "--from", source)
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "(0 new)")

	all := lines(t, w.on("deliveries", "--json").stdout)
	require.Len(t, all, 3)
	require.Equal(t, []any{"delivered", "dead", "pending"}, []any{all[0]["state"], all[1]["state"], all[2]["state"]})
	require.Equal(t, map[string]any{"channel": "C1", "ts": "1.2"}, all[0]["receipt"])
	require.Equal(t, 0, w.on("redrive", "d1").code)
	require.Len(t, lines(t, w.on("deliveries", "--json", "--state", "pending").stdout), 2)
}

// A server on Postgres runs beside commands, and beside another server.
func TestServeOnPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("sqlite://"+w.dir+"/notifier.db", pgtest.Database(t))
	_, _, stop := w.serve()
	_, stderr, stopOther := w.serve()
	got := w.on("watches")
	require.Equal(t, 0, got.code, got.stderr)
	require.Equal(t, 0, stop())
	require.Equal(t, 0, stopOther())
	require.Contains(t, stderr.String(), `"msg":"stopped"`)
}
