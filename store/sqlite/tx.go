package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// tx is the transaction of the writer, with its prepared statements. Its calls take no context:
// a batch holds the writes of many callers, so that none of them may interrupt it.
type tx struct {
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	touched []string // watches that it may change
	changed bool     // some row, since it was last reset
}

// touch tells that watches are about to change.
func (t *tx) touch(ids ...string) { t.touched = append(t.touched, ids...) }

func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := t.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = stmt
	return stmt, nil
}

// close gives the connection back; with driver.ErrBadConn it is thrown away. The statements go
// first: while it has any, SQLite keeps a connection and its locks, and database/sql would close
// them after it. Other errors are dropped: nothing is left that they could concern.
func (t *tx) close(verdict error) {
	for _, stmt := range t.stmts {
		_ = stmt.Close()
	}
	_ = t.conn.Raw(func(any) error { return verdict })
	_ = t.conn.Close()
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.affect(query, args...)
	return err
}

// affect returns how many rows the statement changed.
func (t *tx) affect(query string, args ...any) (int, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	t.changed = t.changed || n > 0
	return int(n), err
}

// row scans the only row; without one it returns store.ErrNotFound.
func (t *tx) row(query string, args []any, dest ...any) error {
	stmt, err := t.prepare(query)
	if err != nil {
		return err
	}
	return notFound(stmt.QueryRowContext(context.Background(), args...).Scan(dest...))
}

// list returns all rows of a query of the transaction.
func list[T any](t *tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, scan)
}

// queries are the reads, each prepared once for every connection of the pool.
type queries struct {
	db    *sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

func newQueries(db *sql.DB) *queries {
	return &queries{db: db, stmts: map[string]*sql.Stmt{}}
}

func (q *queries) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	q.mu.Lock()
	stmt := q.stmts[query]
	q.mu.Unlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := q.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if earlier := q.stmts[query]; earlier != nil {
		return earlier, stmt.Close()
	}
	q.stmts[query] = stmt
	return stmt, nil
}

// row scans the only row; without one it returns store.ErrNotFound.
func (q *queries) row(ctx context.Context, query string, args []any, dest ...any) error {
	stmt, err := q.prepare(ctx, query)
	if err != nil {
		return err
	}
	return notFound(stmt.QueryRowContext(ctx, args...).Scan(dest...))
}

// read returns all rows of a query.
func read[T any](ctx context.Context, q *queries, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	stmt, err := q.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, scan)
}

// readOnce is read for a query whose text is not met again, such as one with a list of values.
func readOnce[T any](ctx context.Context, q *queries, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, scan)
}

// scanner is a row.
type scanner interface {
	Scan(dest ...any) error
}

// collect scans all rows and closes them. A row of which a part is unreadable is returned with
// the rest of it: one damaged row must not hide the others.
func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) (all []T, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		row, err := scan(rows)
		if err != nil && !engine.Damaged(err) {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}
