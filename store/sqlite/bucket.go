package sqlite

import (
	"errors"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/gcra"
)

// take takes a token of every bucket, or of none and returns how long to wait for all of them.
func (t *tx) take(rates []store.Rate, now time.Time) (time.Duration, error) {
	const save = "INSERT INTO buckets (name, tat) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET tat = excluded.tat"
	after, wait, err := gcra.Take(rates, now, t.bucket)
	if err != nil {
		return 0, err
	}
	for name, full := range after {
		if err := t.exec(save, name, full); err != nil {
			return 0, err
		}
	}
	return wait, nil
}

// bucket reads when a bucket will be full; one never used is.
func (t *tx) bucket(name string) (int64, error) {
	var full int64
	err := t.row("SELECT tat FROM buckets WHERE name = ?", []any{name}, &full)
	if errors.Is(err, store.ErrNotFound) {
		return gcra.Full, nil
	}
	return full, err
}

// held returns how long the lane's service wants nothing.
func (t *tx) held(p place, now time.Time) (time.Duration, error) {
	var until int64
	err := t.row("SELECT until FROM holds WHERE connection = ? AND address = ?", []any{p.connection, p.address}, &until)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	wait := time.UnixMicro(until).Sub(now)
	if err != nil || wait > store.MaxHold {
		return 0, err
	}
	return max(0, wait), nil
}

// hold records such a wish; one that ends sooner shortens none but those that hold nothing.
func (t *tx) hold(p place, until, now time.Time) error {
	const save = `INSERT INTO holds (connection, address, until) VALUES (?1, ?2, ?3)
		ON CONFLICT (connection, address) DO UPDATE
		SET until = CASE WHEN until > ?4 THEN excluded.until ELSE max(until, excluded.until) END`
	return t.exec(save, p.connection, p.address, until.UnixMicro(), now.Add(store.MaxHold).UnixMicro())
}
