package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

// engine is a kind of store.
type engine struct {
	column string
	fresh  func(ctx context.Context) (url string, err error) // a new, empty one
	fill   func(ctx context.Context, url string, f filling) error
}

// openEngines finds the engines of this machine: SQLite, and Postgres where there is one.
func (b *bench) openEngines(ctx context.Context) (closeAll func(), err error) {
	b.engines = []engine{{column: onSQLite, fill: fillSQLite, fresh: func(context.Context) (string, error) {
		return "sqlite://" + filepath.Join(b.dir, strings.ToLower(rand.Text())+".db"), nil
	}}}
	if b.options.engine == onSQLite {
		return func() {}, nil
	}
	server, err := pgtest.New(ctx, pgtest.Options{})
	if errors.Is(err, pgtest.ErrNone) {
		b.report.note("Postgres was not measured: %v.", err)
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if b.options.engine == onPostgres {
		b.engines = nil
	}
	b.engines = append(b.engines, engine{column: onPostgres, fill: fillPostgres, fresh: func(ctx context.Context) (string, error) {
		name := "bench_" + strings.ToLower(rand.Text())
		return server.URL(name), server.Exec(ctx, "CREATE DATABASE "+name)
	}})
	return func() {
		if err := server.Close(); err != nil {
			b.say("Postgres does not end: %v", err)
		}
	}, nil
}

// engine returns the one of a column, if it is there.
func (b *bench) engine(column string) (engine, bool) {
	for _, e := range b.engines {
		if e.column == column {
			return e, true
		}
	}
	return engine{}, false
}
