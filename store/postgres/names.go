package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Resolved is store.Names's.
func (s *Store) Resolved(ctx context.Context, l store.Lane) ([]byte, error) {
	const query = "SELECT value FROM flyte_notifier.resolved WHERE connection = $1 AND address = $2"
	var value []byte
	if err := s.pool.QueryRow(ctx, query, clean(l.Connection), clean(l.Address)).Scan(&value); err != nil {
		return nil, fmt.Errorf("read resolved name of %s %s: %w", l.Connection, l.Address, notFound(err))
	}
	return value, nil
}

// SetResolved is store.Names's.
func (s *Store) SetResolved(ctx context.Context, l store.Lane, resolved []byte) error {
	const forget = "DELETE FROM flyte_notifier.resolved WHERE connection = $1 AND address = $2"
	const save = `INSERT INTO flyte_notifier.resolved (connection, address, value) VALUES ($1, $2, $3)
		ON CONFLICT (connection, address) DO UPDATE SET value = excluded.value`
	query, args := forget, []any{clean(l.Connection), clean(l.Address)}
	if resolved != nil {
		query, args = save, append(args, resolved)
	}
	_, err := write(ctx, s, func(tx pgx.Tx) (struct{}, error) {
		_, err := tx.Exec(ctx, query, args...)
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("cache resolved name of %s %s: %w", l.Connection, l.Address, err)
	}
	return nil
}
