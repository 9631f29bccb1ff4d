package config_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
)

// storeFile is the file that a store's url names, given literally.
func storeFile(t *testing.T, url string) (string, error) {
	t.Helper()
	var u config.StoreURL
	if problems := u.DecodeStrict(url); len(problems) > 0 {
		return "", errors.New(problems[0].String())
	}
	return u.Path()
}

func TestStorePath(t *testing.T) {
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
		got, err := storeFile(t, url)
		require.NoError(t, err, url)
		require.Equal(t, want, got, url)
	}
	for _, url := range []string{
		"", "x.db", "/x.db", "sqlite:", "sqlite:/x.db", "sqlite://", "sqlite:///", "sqlite:///dir/", "sqlite://:memory:",
		"postgres://localhost/x", "SQLITE:///x.db", "file:///x.db", "sqlite:///x.db?mode=ro", "sqlite:///x.db#a",
		"sqlite:///%zz.db", "sqlite:///a%00b",
	} {
		_, err := storeFile(t, url)
		require.Error(t, err, url)
	}
}

func TestStorePathKeepsSecrets(t *testing.T) {
	t.Parallel()
	_, err := storeFile(t, "postgres://user:hunter2@localhost/db")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

// FuzzStorePath looks for a url that is taken but names no file.
func FuzzStorePath(f *testing.F) {
	f.Add("sqlite:///var/lib/x.db")
	f.Add("sqlite://a%2Fb%00?x#y")
	f.Fuzz(func(t *testing.T, url string) {
		path, err := storeFile(t, url)
		if err == nil && (path == "" || path == ":memory:" || filepath.Clean(path) != path) {
			t.Fatalf("%q gave %q", url, path)
		}
	})
}
