package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migratePause is between looks at the lock of another server that migrates. Nobody waits in Postgres itself:
// an index that is made concurrently waits for whoever waits there.
const migratePause = 200 * time.Millisecond

// migrate brings the schema to this program's version. Of servers that start at once one does it.
//
// A database of a newer program is no error: migrations take away nothing that the version before needs, so that
// its servers go on, and may be started again, while a new one takes over.
func (s *Store) migrate(ctx context.Context) error {
	pool, err := s.migrationPool(ctx)
	if err == nil {
		defer pool.Close()
		err = s.migrateWith(ctx, pool)
	}
	if err == nil && s.pooled {
		err = s.sameDatabase(ctx)
	}
	if err != nil {
		return fmt.Errorf("migrate store: %w", err)
	}
	return nil
}

// sameDatabase says whether what was migrated through the lock URL is there.
func (s *Store) sameDatabase(ctx context.Context) error {
	current, err := version(ctx, s.pool)
	if err == nil && current == 0 {
		err = errors.New("store.lock_url leads to another database than store.url")
	}
	return err
}

func (s *Store) migrateWith(ctx context.Context, pool *pgxpool.Pool) error {
	if done, err := s.migrated(ctx, pool); err != nil || done {
		return err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for {
		var held bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, 0)", migrationLock).Scan(&held); err != nil {
			return err
		}
		if held {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another server to migrate: %w", ctx.Err())
		case <-time.After(migratePause):
		}
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, 0)", migrationLock) // or with the connection
	}()
	if done, err := s.migrated(ctx, pool); err != nil || done {
		return err // whoever held the lock until now did it
	}
	return s.up(ctx, pool)
}

// up migrates River's tables, then ours: our version says that both are there.
func (s *Store) up(ctx context.Context, pool *pgxpool.Pool) error {
	if err := makeSchema(ctx, pool); err != nil {
		return err
	}
	river, err := s.riverMigrator(pool)
	if err != nil {
		return err
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate River: %w", err)
	}
	provider, err := newProvider(pool)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// makeSchema makes the schema unless it is there: even with IF NOT EXISTS, Postgres demands CREATE on the database.
func makeSchema(ctx context.Context, pool *pgxpool.Pool) error {
	var exists bool
	if err := pool.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", schema).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema)
	return err
}

// migrated says whether there is nothing to do.
func (s *Store) migrated(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	current, err := version(ctx, pool)
	if err != nil || current == 0 {
		return false, err
	}
	target, err := target(pool)
	if err != nil || current < target {
		return false, err
	}
	if current > target {
		s.options.Log.WarnContext(ctx, "a newer flyte-notifier has migrated the store; this one goes on",
			"schema", current, "knows", target)
		return true, nil
	}
	river, err := s.riverMigrator(pool)
	if err != nil {
		return false, err
	}
	valid, err := river.Validate(ctx, nil)
	return err == nil && valid.OK, err
}

func (s *Store) riverMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema, Logger: quietly(s.options.Log)})
}

// checkVersion says whether a command can use the store as it is.
func (s *Store) checkVersion(ctx context.Context) error {
	current, err := version(ctx, s.pool)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	target, err := target(s.pool)
	switch {
	case err != nil:
		return fmt.Errorf("open store: %w", err)
	case current == 0:
		return fmt.Errorf("open store: no flyte-notifier has served this database yet: start one first")
	case current < target:
		return fmt.Errorf("open store: it has schema %d, this program needs %d: start a flyte-notifier of this version first", current, target)
	case current > target:
		return fmt.Errorf("open store: it was written by a newer flyte-notifier (schema %d, this program knows %d)", current, target)
	}
	return nil
}

// version reads the schema's version; 0 is an empty database.
func version(ctx context.Context, pool *pgxpool.Pool) (v int64, err error) {
	var exists bool
	const table = schema + ".goose_db_version"
	if err := pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&exists); err != nil || !exists {
		return 0, err
	}
	err = pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+table+" WHERE is_applied").Scan(&v)
	return v, err
}

// target is the version that this program needs.
func target(pool *pgxpool.Pool) (int64, error) {
	provider, err := newProvider(pool)
	if err != nil {
		return 0, err
	}
	sources := provider.ListSources()
	return sources[len(sources)-1].Version, nil
}

func newProvider(pool *pgxpool.Pool) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, stdlib.OpenDBFromPool(pool), files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// migrationPool has no limits but a short wait for tables, since others wait behind it meanwhile.
func (s *Store) migrationPool(ctx context.Context) (*pgxpool.Pool, error) {
	c, err := s.directConfig()
	if err != nil {
		return nil, err
	}
	for _, limit := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		parameters(c.ConnConfig)[limit] = "0"
	}
	parameters(c.ConnConfig)["lock_timeout"] = "10000"
	c.MaxConns, c.MinConns = 3, 0
	return pgxpool.NewWithConfig(ctx, c)
}
