package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// OpenServerStore opens the store of a config for a server: SQLite's for the only one, whose lock it
// takes, Postgres' beside others, and migrated if need be.
func OpenServerStore(ctx context.Context, c *config.Config, log *slog.Logger) (store.Store, error) {
	return open(ctx, c, log,
		func(path string) (*sqlite.Store, error) { return sqlite.OpenServer(ctx, path) },
		func(o postgres.Options) (*postgres.Store, error) { return postgres.OpenServer(ctx, o) })
}

// OpenStore opens the store of a config beside a server that may be running.
func OpenStore(ctx context.Context, c *config.Config) (store.Store, error) {
	return open(ctx, c, nil,
		func(path string) (*sqlite.Store, error) { return sqlite.Open(ctx, path) },
		func(o postgres.Options) (*postgres.Store, error) { return postgres.Open(ctx, o) })
}

func open(
	ctx context.Context, c *config.Config, log *slog.Logger,
	file func(string) (*sqlite.Store, error), database func(postgres.Options) (*postgres.Store, error),
) (store.Store, error) {
	place, err := c.Store.URL.Place()
	switch {
	case err != nil:
		return nil, fmt.Errorf("store.url: %w", err)
	case place.IsPostgres():
		if problems := c.NeedsSQLite(); len(problems) > 0 {
			return nil, &ConfigError{problems}
		}
		o, err := PostgresOptions(c)
		if err != nil {
			return nil, err
		}
		o.Log = log
		return opened(database(o))
	}
	if problems := c.NeedsPostgres(); len(problems) > 0 {
		return nil, &ConfigError{problems}
	}
	return opened(file(place.File))
}

// PostgresOptions is where the store of a config is, if that is Postgres, and an error otherwise.
func PostgresOptions(c *config.Config) (postgres.Options, error) {
	place, err := c.Store.URL.Place()
	switch {
	case err != nil:
		return postgres.Options{}, fmt.Errorf("store.url: %w", err)
	case !place.IsPostgres():
		return postgres.Options{}, fmt.Errorf("store.url: must be one of Postgres, not %s", place)
	}
	lockURL, err := c.Store.LockURL.Value()
	if err != nil {
		return postgres.Options{}, fmt.Errorf("store.lock_url: %w", err)
	}
	return postgres.Options{URL: place.URL, LockURL: lockURL}, nil
}

// opened is a store, or no store at all where there is an error: a nil pointer in an interface is
// not nil.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
