package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
)

// placeOf is where a store's url leads, given literally.
func placeOf(t *testing.T, url string) (config.Place, error) {
	t.Helper()
	var u config.StoreURL
	if problems := u.DecodeStrict(url); len(problems) > 0 {
		return config.Place{}, errors.New(problems[0].String())
	}
	return u.Place()
}

func TestStoreFile(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"sqlite:///var/lib/x.db":         "/var/lib/x.db",
		"sqlite:///var//lib/../x.db":     "/var/x.db",
		"sqlite://rel.db":                "rel.db",
		"sqlite://./dir/rel.db":          "dir/rel.db",
		"sqlite://dir/rel.db":            "dir/rel.db",
		"sqlite://../rel.db":             "../rel.db",
		"sqlite:///with%20space%3F.db":   "/with space?.db",
		"sqlite:///with space/Größe.db":  "/with space/Größe.db",
		"sqlite://C:/notifier/store.db":  "C:/notifier/store.db",
		"sqlite:///data/:memory:":        "/data/:memory:",
		"sqlite:///data/file:x.db&a=b+c": "/data/file:x.db&a=b+c",
	} {
		got, err := placeOf(t, url)
		require.NoError(t, err, url)
		require.Equal(t, config.Place{File: want}, got, url)
		require.False(t, got.IsPostgres())
	}
	for _, url := range []string{
		"", "x.db", "/x.db", "sqlite:", "sqlite:/x.db", "sqlite://", "sqlite:///", "sqlite:///dir/", "sqlite://:memory:",
		"SQLITE:///x.db", "file:///x.db", "sqlite:///x.db?mode=ro", "sqlite:///x.db#a",
		"sqlite:///%zz.db", "sqlite:///a%00b",
	} {
		got, err := placeOf(t, url)
		require.Error(t, err, url)
		require.Zero(t, got)
	}
}

func TestStoreOnPostgres(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://db/x", "postgresql://u@db:5432/x", "postgres://u:p%40%23ss@db/x?sslmode=verify-full&pool_max_conns=9",
		"postgres://u:p@a:1,b:2,c/x?target_session_attrs=read-write", "postgres:///x?host=/var/run/postgresql", "postgres://u:p@[::1]:5432/x",
		"postgres://u:p@db?dbname=x",
	} {
		got, err := placeOf(t, url)
		require.NoError(t, err, url)
		require.Equal(t, config.Place{URL: url}, got)
		require.True(t, got.IsPostgres())
	}
	for url, want := range map[string]string{
		"postgres://":                         "must name a host",
		"postgres:///x":                       "must name a host",
		"postgres://db":                       "must name a database",
		"postgres://db/":                      "must name a database",
		"postgres://u:hunter2@db:port/x":      "is no URL",
		"postgres://u:hunter2#@db/x":          "is no URL",
		"postgres://u:hunter2/a@db/x":         "is no URL",
		"postgres://u:hunter2%@db/x":          "is no URL",
		"postgres://u:hunter2@db/x?%zz":       "has options",
		"postgres://u:hunter2@db/x?sslmode=y": "sslmode must be one of disable",
		"mysql://u:hunter2@db/x":              "must begin with sqlite:// or postgres://",
	} {
		got, err := placeOf(t, url)
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "hunter2")
		require.Zero(t, got)
	}
}

func TestURLsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	const url = "postgres://ada:hunter2@db/x?password=hunter2"
	c := parse(t, minimal+"store: {url: '"+url+"', lock_url: '"+url+"'}")
	p, err := c.Store.URL.Place()
	require.NoError(t, err)
	lock, err := c.Store.LockURL.Value()
	require.NoError(t, err)
	require.Equal(t, url, p.URL)
	require.Equal(t, url, lock)

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("open", "place", p, "url", c.Store.URL.String(), "lock", c.Store.LockURL.String())
	text := log.String() + fmt.Sprintf("%v %+v %#v %s", p, c.Store, c.Store, c.Store.LockURL)
	require.NotContains(t, text, "hunter2")
	require.NotContains(t, text, "ada")
	require.Contains(t, text, "postgres://<secret>")
	require.Equal(t, "sqlite:///x.db", config.Place{File: "/x.db"}.String())
	require.Empty(t, config.PostgresURL{}.String())
}

func TestURLsByReference(t *testing.T) {
	t.Parallel()
	file := write(t, "url", "sqlite://x.db\n")
	c := parse(t, minimal+"store: {url: {file: "+file+"}, lock_url: {file: "+file+"}}\nserver: {river_ui: {user: ada, password: {env: A}}}")
	got, err := c.Store.URL.Place()
	require.NoError(t, err)
	require.Equal(t, config.Place{File: "x.db"}, got)
	require.Equal(t, []string{
		"server.river_ui: needs a store.url of Postgres", "store.lock_url: needs a store.url of Postgres",
	}, texts(c.NeedsPostgres()), "which nobody knows before the reference is read")
	_, err = c.Store.LockURL.Value()
	require.EqualError(t, err, "must begin with postgres://")
	require.Equal(t, "file:"+file, c.Store.URL.String())
	require.Equal(t, "file:"+file, c.Store.LockURL.String())

	hidden := write(t, "url", "postgres://user:very-secret@db/x\n")
	c = parse(t, minimal+"store: {url: {file: "+hidden+"}, lock_url: {file: "+hidden+"}}")
	got, err = c.Store.URL.Place()
	require.NoError(t, err)
	require.Equal(t, "postgres://user:very-secret@db/x", got.URL)
	lock, err := c.Store.LockURL.Value()
	require.NoError(t, err)
	require.Equal(t, got.URL, lock)

	broken := write(t, "url", "postgres://user:very-secret@db:x/x")
	_, err = parse(t, minimal+"store: {url: {file: "+broken+"}}").Store.URL.Place()
	require.ErrorContains(t, err, "is no URL")
	require.NotContains(t, err.Error(), "very-secret")

	_, err = parse(t, minimal+"store: {url: {env: FLYTE_NOTIFIER_TEST_UNSET}}").Store.URL.Place()
	require.EqualError(t, err, "secret env:FLYTE_NOTIFIER_TEST_UNSET is empty or not set")
	lock, err = parse(t, minimal).Store.LockURL.Value()
	require.NoError(t, err)
	require.Empty(t, lock)
}

func TestRiverUI(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal+"store: {url: 'postgres://db/x'}\nserver: {river_ui: {user: ada, password: {file: /run/secrets/ui}}}")
	require.Equal(t, "ada", c.Server.RiverUI.User)
	require.Equal(t, "file:/run/secrets/ui", c.Server.RiverUI.Password.String())
	require.Nil(t, parse(t, minimal).Server.RiverUI)
	require.Empty(t, parse(t, minimal).NeedsPostgres())
}

func TestLongTimeouts(t *testing.T) {
	t.Parallel()
	const long = "\ndelivery: {timeout: 20.1s}"
	require.Empty(t, parse(t, minimal+"store: {url: 'postgres://db/x'}\ndelivery: {timeout: 20s}").NeedsSQLite())
	require.NotEmpty(t, parse(t, minimal+"store: {url: 'sqlite://x.db'}"+long).NeedsSQLite(), "asked only where the store is on Postgres")
	require.Equal(t, []string{
		"delivery.timeout: must be at most 20s with a store.url of Postgres, which gives a step of a delivery no more time, not 20.1s",
	}, texts(parse(t, minimal+"store: {url: {env: A}}"+long).NeedsSQLite()), "which nobody knows before the reference is read")
}

// FuzzPlace looks for a url that is taken but leads nowhere, or that an error repeats.
func FuzzPlace(f *testing.F) {
	f.Add("sqlite:///var/lib/x.db")
	f.Add("sqlite://a%2Fb%00?x#y")
	f.Add("postgres://u:p@a,b:5/x?sslmode=require")
	f.Fuzz(func(t *testing.T, url string) {
		got, err := config.ParsePlace(url)
		switch {
		case err != nil && (got != config.Place{}):
			t.Fatalf("%q gave an error and %v", url, got)
		case err == nil && got.IsPostgres() && got.URL != url:
			t.Fatalf("%q gave %q", url, got.URL)
		case err == nil && !got.IsPostgres() && (got.File == "" || got.File == ":memory:" || filepath.Clean(got.File) != got.File):
			t.Fatalf("%q gave %q", url, got.File)
		}
	})
}
