package postgres

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// quietFor is how long a message of River is not repeated.
const quietFor = 30 * time.Second

// quiet is a slog.Handler for River: warnings and errors only, and each message once in a while,
// since River repeats itself many times a second while Postgres is away.
type quiet struct {
	next slog.Handler
	said *sync.Map // message → time.Time
}

// quietly returns a logger for River.
func quietly(log *slog.Logger) *slog.Logger {
	return slog.New(&quiet{next: log.Handler(), said: &sync.Map{}})
}

// Enabled is slog.Handler's.
func (q *quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.next.Enabled(ctx, level)
}

// Handle is slog.Handler's.
func (q *quiet) Handle(ctx context.Context, r slog.Record) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil // stopping: what ends by it is no news
	}
	last, said := q.said.Load(r.Message)
	if said && r.Time.Sub(last.(time.Time)) < quietFor {
		return nil
	}
	q.said.Store(r.Message, r.Time)
	return q.next.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (q *quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quiet{next: q.next.WithAttrs(attrs), said: q.said}
}

// WithGroup is slog.Handler's.
func (q *quiet) WithGroup(name string) slog.Handler {
	return &quiet{next: q.next.WithGroup(name), said: q.said}
}
