package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// fillBuckets is migration 3: it gives the watches of a released store, which had no shards, their
// buckets. SQLite cannot hash.
func fillBuckets() *goose.Migration {
	return goose.NewGoMigration(3, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) (err error) {
		update, err := tx.PrepareContext(ctx, "UPDATE watches SET bucket = ?, own_bucket = ? WHERE seq = ?")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, update.Close()) }()
		for last := int64(-1); ; {
			page, err := readUnhashed(ctx, tx, last)
			if err != nil {
				return err
			}
			for _, w := range page {
				last = w.seq
				if _, err := update.ExecContext(ctx, flyte.Bucket(w.name), flyte.Bucket(w.own), w.seq); err != nil {
					return err
				}
			}
			if len(page) < fillAtOnce {
				return nil
			}
		}
	}}, nil)
}

// fillAtOnce is how many watches the migration holds in memory.
const fillAtOnce = 1000

// unhashed is a watch without buckets.
type unhashed struct {
	seq       int64
	name, own string
}

func readUnhashed(ctx context.Context, tx *sql.Tx, last int64) ([]unhashed, error) {
	const query = "SELECT seq, name, own_name FROM watches WHERE seq > ? ORDER BY seq LIMIT ?"
	rows, err := tx.QueryContext(ctx, query, last, fillAtOnce)
	if err != nil {
		return nil, fmt.Errorf("read watches without buckets: %w", err)
	}
	return collect(rows, func(row scanner) (w unhashed, err error) {
		err = row.Scan(&w.seq, &w.name, &w.own)
		return w, err
	})
}
