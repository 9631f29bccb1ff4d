package sqlite

import (
	"context"
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Resolved is store.Names's.
func (s *Store) Resolved(ctx context.Context, l store.Lane) ([]byte, error) {
	const query = "SELECT value FROM resolved WHERE connection = ? AND address = ?"
	var value []byte
	if err := s.queries.row(ctx, query, []any{l.Connection, l.Address}, &value); err != nil {
		return nil, fmt.Errorf("read resolved name of %s %s: %w", l.Connection, l.Address, err)
	}
	return value, nil
}

// SetResolved is store.Names's.
func (s *Store) SetResolved(ctx context.Context, l store.Lane, resolved []byte) error {
	const forget = "DELETE FROM resolved WHERE connection = ?1 AND address = ?2"
	const save = `INSERT INTO resolved (connection, address, value) VALUES (?1, ?2, ?3)
		ON CONFLICT (connection, address) DO UPDATE SET value = excluded.value`
	query, args := forget, []any{l.Connection, l.Address}
	if resolved != nil {
		query, args = save, append(args, string(resolved))
	}
	_, err := write(ctx, s, func(t *tx) (struct{}, error) { return struct{}{}, t.exec(query, args...) })
	if err != nil {
		return fmt.Errorf("cache resolved name of %s %s: %w", l.Connection, l.Address, err)
	}
	return nil
}
