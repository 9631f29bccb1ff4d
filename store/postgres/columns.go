package postgres

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// micros is a time as a column: NULL is the zero time.
func micros(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixMicro()
	return &n
}

// moment is a column as a time.
func moment(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return time.UnixMicro(*n).UTC()
}

// exact is a time as it comes back from a column.
func exact(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// clean is a text that Postgres takes: a byte that is no letter, and NUL, become a mark.
func clean(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// cleanAll cleans texts where they are.
func cleanAll(texts ...*string) {
	for _, s := range texts {
		*s = clean(*s)
	}
}

// verbatim is JSON that the store passes through unread; NULL is none.
func verbatim(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	s := clean(string(raw))
	return &s
}

// raw is what verbatim wrote.
func raw(s *string) json.RawMessage {
	if s == nil {
		return nil
	}
	return json.RawMessage(*s)
}

// encode is a list or map as JSON; NULL is an empty one.
func encode(v any, length int) (*string, error) {
	if length == 0 {
		return nil, nil
	}
	b, err := json.Marshal(v)
	s := string(b)
	return &s, err
}

// decode reads what encode wrote. What cannot be read leaves v as it is.
func decode(text *string, v any, id, column string) error {
	if text == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(*text), v); err != nil {
		return &engine.DamageError{ID: id, Column: column, Err: err}
	}
	return nil
}
