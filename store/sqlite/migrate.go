package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to this program's version, holding the store's lock: two processes
// that start at once must not both do it, and a server must not see its schema change.
func migrate(ctx context.Context, db *sql.DB, path string, locked bool) error {
	provider, err := newProvider(db)
	if err != nil {
		return fmt.Errorf("migrate store %s: %w", path, err)
	}
	sources := provider.ListSources()
	target := sources[len(sources)-1].Version
	current, err := version(ctx, db)
	if err != nil || current >= target {
		return checkVersion(path, current, target, err)
	}
	if !locked {
		held, err := lock(ctx, path, commandPatience, func() bool {
			current, err := version(ctx, db)
			return err == nil && current >= target // somebody else did it
		})
		if err != nil {
			return err
		}
		if held != nil {
			defer func() { _ = held.Close() }()
		}
		locked = held != nil
	}
	// Whoever held the lock until now may have migrated.
	current, err = version(ctx, db)
	if err != nil || current >= target || !locked {
		return checkVersion(path, current, target, err)
	}
	_, err = provider.Up(ctx)
	return wrapMigrate(path, err)
}

// checkVersion says whether a program that needs the target can use the store as it is.
func checkVersion(path string, current, target int64, err error) error {
	switch {
	case err != nil:
		return wrapMigrate(path, err)
	case current > target:
		return fmt.Errorf("store %s was written by a newer flyte-notifier (schema %d, this program knows %d)", path, current, target)
	case current < target:
		return fmt.Errorf("store %s has schema %d, this program needs %d, and a flyte-notifier serves it: stop that first", path, current, target)
	}
	return nil
}

func wrapMigrate(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("migrate store %s: %w", path, err)
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
		goose.WithGoMigrations(fillBuckets()))
}

// version reads the schema's version without writing; 0 is an empty file.
func version(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	const find = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'"
	if err := db.QueryRowContext(ctx, find).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	var v sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&v)
	return v.Int64, err
}
