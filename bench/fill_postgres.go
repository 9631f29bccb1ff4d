package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// fillPostgres fills a store that no agent has open.
func fillPostgres(ctx context.Context, url string, f filling) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("fill Postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // all is committed
	if _, err := conn.Exec(ctx, "SET search_path TO flyte_notifier; CREATE TEMP TABLE names (n int, name text, bucket int)"); err != nil {
		return fmt.Errorf("fill Postgres: %w", err)
	}
	if err := postgresWatches(ctx, conn, f.watches); err != nil {
		return fmt.Errorf("fill Postgres with watches: %w", err)
	}
	if err := postgresDeliveries(ctx, conn, f.deliveries); err != nil {
		return fmt.Errorf("fill Postgres with deliveries: %w", err)
	}
	// As autovacuum would within a minute.
	for _, statement := range []string{"VACUUM ANALYZE watches", "VACUUM ANALYZE deliveries"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("fill Postgres: %w", err)
		}
	}
	return nil
}

func postgresDeliveries(ctx context.Context, conn *pgx.Conn, deliveries int) error {
	if deliveries == 0 {
		return nil
	}
	columns, err := postgresColumns(ctx, conn, "deliveries")
	if err != nil {
		return err
	}
	statement := copies{
		"seq": "nextval('flyte_notifier.deliveries_seq')", "id": "'d' || left(md5(m.n::text), 20)", "key": "'w' || m.n || t.key",
		"watch_id": "'w' || left(md5('w' || m.n), 20)", "name": "'" + namePrefix + "' || lpad(m.n::text, 18, '0')",
		"created_at": age(deliveries), "settled_at": age(deliveries), "since": age(deliveries), "next_at": age(deliveries),
	}.statement("deliveries", columns, fmt.Sprintf("generate_series(1::bigint, %d::bigint) m(n)", deliveries))
	_, err = conn.Exec(ctx, statement)
	return err
}

func postgresWatches(ctx context.Context, conn *pgx.Conn, watches int) error {
	rows := pgx.CopyFromSlice(max(watches-1, 0), func(i int) ([]any, error) {
		return []any{int32(i + 1), name(i + 1), int32(flyte.Bucket(name(i + 1)))}, nil //nolint:gosec // a number of watches
	})
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"names"}, []string{"n", "name", "bucket"}, rows); err != nil {
		return err
	}
	columns, err := postgresColumns(ctx, conn, "watches")
	if err != nil {
		return err
	}
	statement := copies{
		"id": "'w' || left(md5(m.n::text), 20)", "name": "m.name", "bucket": "m.bucket",
		"own_name": "m.name", "own_bucket": "m.bucket",
	}.statement("watches", columns, "names m")
	_, err = conn.Exec(ctx, statement)
	return err
}

// postgresColumns are the columns that a copy has; Postgres gives it an identity of its own.
func postgresColumns(ctx context.Context, conn *pgx.Conn, table string) ([]string, error) {
	const query = `SELECT column_name FROM information_schema.columns
		WHERE table_schema = 'flyte_notifier' AND table_name = $1 AND is_identity = 'NO' AND is_generated = 'NEVER'
		AND column_default IS NULL OR table_schema = 'flyte_notifier' AND table_name = $1 AND column_default NOT LIKE 'nextval%'
		ORDER BY ordinal_position`
	rows, err := conn.Query(ctx, query, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
