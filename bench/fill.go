package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// filling is what a store is filled with, from the one watch and the one delivery that an agent
// left there: copies of those rows, column by column, so that they are what the agent writes.
type filling struct {
	watches    int // all in all, of executions 0 to watches-1
	deliveries int // more of them, settled over the last year, of watches long gone
}

// copies says what in a copy of a row differs, as SQL over its number n; the rest is the original's.
type copies map[string]string

// statement is the INSERT that makes copies of the table's first row, numbered by source.
func (c copies) statement(table string, columns []string, source string) string {
	values := make([]string, len(columns))
	for i, column := range columns {
		values[i] = "t." + column
		if value, ok := c[column]; ok {
			values[i] = value
		}
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s CROSS JOIN (SELECT * FROM %s LIMIT 1) t",
		table, strings.Join(columns, ", "), strings.Join(values, ", "), source, table)
}

// age is when the n-th of so many deliveries was made, in microseconds: over the last year, oldest
// first.
func age(deliveries int) string {
	year := int64(365 * 24 * time.Hour / time.Microsecond)
	return fmt.Sprintf("%d + m.n * %d", time.Now().UnixMicro()-year, year/int64(deliveries+1))
}

// fillSQLite fills a store that no agent has open.
func fillSQLite(ctx context.Context, url string, f filling) (err error) {
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite://"))
	if err != nil {
		return fmt.Errorf("fill SQLite: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // its temporary table is its own
	// A crash loses no more than a benchmark; the cache keeps the indexes that are being built. Whoever opens
	// the store next makes a WAL again: all of the rows in one would be read through it for each index.
	for _, pragma := range []string{"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -400000"} {
		if _, err := db.ExecContext(ctx, pragma); err != nil {
			return fmt.Errorf("fill SQLite: %w", err)
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("fill SQLite: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit, and little without a journal
	if err := sqliteWatches(ctx, tx, f.watches); err != nil {
		return fmt.Errorf("fill SQLite with watches: %w", err)
	}
	if err := sqliteDeliveries(ctx, tx, f.deliveries); err != nil {
		return fmt.Errorf("fill SQLite with deliveries: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("fill SQLite: %w", err)
	}
	return nil
}

func sqliteWatches(ctx context.Context, tx *sql.Tx, watches int) error {
	if _, err := tx.ExecContext(ctx, "CREATE TEMP TABLE names (id TEXT, name TEXT, bucket INTEGER)"); err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO temp.names VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }() // the transaction tells of errors
	for i := 1; i < watches; i++ {
		if _, err := insert.ExecContext(ctx, watchID(i), name(i), flyte.Bucket(name(i))); err != nil {
			return err
		}
	}
	return sqliteCopies(ctx, tx, "watches", "active", max(watches-1, 0), "(SELECT * FROM temp.names ORDER BY id) m", copies{
		"id": "m.id", "name": "m.name", "bucket": "m.bucket", "own_name": "m.name", "own_bucket": "m.bucket",
	})
}

// watchID is that of a copy: they are as random as those of the agent.
func watchID(i int) string {
	return fmt.Sprintf("w%016xcopy", uint64(i)*0x9e3779b97f4a7c15) //nolint:gosec // a number
}

func sqliteDeliveries(ctx context.Context, tx *sql.Tx, deliveries int) error {
	if deliveries == 0 {
		return nil
	}
	source := fmt.Sprintf("(WITH RECURSIVE m(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM m WHERE n < %d) SELECT n FROM m) m", deliveries)
	return sqliteCopies(ctx, tx, "deliveries", "delivered", deliveries, source, copies{
		"id": "printf('d%020x', m.n)", "key": "'w' || m.n || t.key",
		"watch_id": "'w' || lower(hex(randomblob(10)))", "name": "printf('" + namePrefix + "%018d', m.n)",
		"created_at": age(deliveries), "settled_at": age(deliveries), "since": age(deliveries), "next_at": age(deliveries),
	})
}

// sqliteCopies makes n copies of a table's row in a state. It takes indexes and triggers away for as
// long as that takes, since ten million rows would take them an hour; the counts are put right by hand.
func sqliteCopies(ctx context.Context, tx *sql.Tx, table, state string, n int, source string, differ copies) error {
	columns, err := sqliteColumns(ctx, tx, table)
	if err != nil {
		return err
	}
	restore, err := sqliteBare(ctx, tx, table)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, differ.statement(table, columns, source)); err != nil {
		return err
	}
	const count = "UPDATE counts SET n = n + ? WHERE what = ? AND state = ?"
	if _, err := tx.ExecContext(ctx, count, n, table, state); err != nil {
		return err
	}
	for _, statement := range restore {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// sqliteBare drops indexes and triggers of a table, and returns what makes them again.
func sqliteBare(ctx context.Context, tx *sql.Tx, table string) (restore []string, err error) {
	const query = "SELECT type || ' ' || name || char(10) || sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL"
	all, err := texts(ctx, tx, query, table)
	for _, one := range all {
		what, statement, _ := strings.Cut(one, "\n")
		if _, err := tx.ExecContext(ctx, "DROP "+what); err != nil {
			return nil, err
		}
		restore = append(restore, statement)
	}
	return restore, err
}

// sqliteColumns are the columns that a copy has; SQLite gives it a seq of its own.
func sqliteColumns(ctx context.Context, tx *sql.Tx, table string) ([]string, error) {
	all, err := texts(ctx, tx, "SELECT name FROM pragma_table_info(?)", table)
	return slices.DeleteFunc(all, func(c string) bool { return c == "seq" }), err
}

func texts(ctx context.Context, tx *sql.Tx, query string, args ...any) (all []string, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
