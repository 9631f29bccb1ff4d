package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// transact runs fn in a transaction, twice if it got in the way of another.
func (s *Store) transact(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	err := s.once(ctx, pool, fn)
	if again(err) {
		err = s.once(ctx, pool, fn)
	}
	if demoted(err) {
		s.pool.Reset() // the next connections look for the server that takes writes
		s.hot.Reset()
		s.rivers.Reset()
	}
	return err
}

func (s *Store) once(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if s.pooled {
			if _, err := tx.Exec(ctx, limitsQuery); err != nil {
				return err
			}
		}
		return fn(tx)
	})
}

// write runs fn in a transaction of its own, for writes that are rare.
func write[T any](ctx context.Context, s *Store, fn func(tx pgx.Tx) (T, error)) (out T, err error) {
	err = s.transact(ctx, s.pool, func(tx pgx.Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	return out, err
}

// querier is a transaction or a pool.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// list returns all rows of a query. A row of which a part is unreadable is returned with the rest of it:
// one damaged row must not hide the others.
func list[T any](ctx context.Context, q querier, scan func(pgx.Row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, scan)
}

// collect scans all rows and closes them.
func collect[T any](rows pgx.Rows, scan func(pgx.Row) (T, error)) (all []T, err error) {
	defer rows.Close()
	for rows.Next() {
		row, err := scan(rows)
		if err != nil && !engine.Damaged(err) {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// scanText scans a row of one text.
func scanText(row pgx.Row) (s string, err error) {
	err = row.Scan(&s)
	return s, err
}

// scanInt scans a row of one number.
func scanInt(row pgx.Row) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}

// prefixed is a row with a column before those that the reader knows.
type prefixed struct {
	row   pgx.Row
	first any
}

// Scan is pgx.Row's.
func (p prefixed) Scan(dest ...any) error { return p.row.Scan(append([]any{p.first}, dest...)...) }

// pipeline is statements that go to the server together, and come back together.
type pipeline struct {
	batch pgx.Batch
}

func (p *pipeline) exec(query string, args ...any) { p.batch.Queue(query, args...) }

// run sends the statements, and returns the first error.
func (p *pipeline) run(ctx context.Context, tx pgx.Tx) error {
	if p.batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &p.batch).Close()
}

// into adds a query to a pipeline whose rows are put in all.
func into[T any](p *pipeline, all *[]T, scan func(pgx.Row) (T, error), query string, args ...any) {
	p.batch.Queue(query, args...).Query(func(rows pgx.Rows) (err error) {
		*all, err = collect(rows, scan)
		return err
	})
}
