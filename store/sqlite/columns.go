package sqlite

import (
	"database/sql"
	"encoding/json"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// micros is a time as a column: NULL is the zero time.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// moment is a column as a time.
func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

// verbatim is JSON that the store passes through unread; NULL is none.
func verbatim(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return string(raw)
}

// encode is a list or map as JSON; NULL is an empty one.
func encode(v any, length int) (any, error) {
	if length == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(v)
	return string(raw), err
}

// decode reads what encode wrote. What cannot be read leaves v as it is.
func decode(raw []byte, v any, id, column string) error {
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return &engine.DamageError{ID: id, Column: column, Err: err}
	}
	return nil
}

// scanInt scans a row of one number.
func scanInt(row scanner) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}

// scanText scans a row of one text.
func scanText(row scanner) (s string, err error) {
	err = row.Scan(&s)
	return s, err
}
