package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	measureEvery = 2 * time.Second
	measureTime  = 2 * time.Second // for one measurement

	// fine is how far clocks may be apart without anybody caring. A correction that followed every
	// microsecond of measuring would make each time that goes through the store another one.
	fine = 100 * time.Millisecond

	skewTold = 2 * time.Second // a clock that is further off is told of
)

// clock knows what time it is for Postgres. Servers agree about that time alone: when deliveries are due, when
// attempts were begun, until when lanes are on hold and buckets fill. Callers live by their own clock, which may be
// off, so what they give is corrected as it is written, and what concerns them as it is read.
//
// Between measurements time goes on by the monotonic clock, so that setting the local one changes nothing.
type clock struct {
	local func() time.Time
	began time.Time // by local, with its monotonic reading
	log   *slog.Logger

	mu    sync.Mutex
	ahead time.Duration // of Postgres, before began and what has passed since
	told  bool
}

func newClock(local func() time.Time, log *slog.Logger) *clock {
	if local == nil {
		local = time.Now
	}
	return &clock{local: local, began: local(), log: log}
}

// measured takes in that Postgres' clock showed at, some time between two readings of the local one.
func (c *clock) measured(ctx context.Context, before, after, at time.Time) {
	unsure := after.Sub(before) / 2
	ahead := at.Sub(c.began) - before.Sub(c.began) - unsure
	c.mu.Lock()
	if (ahead - c.ahead).Abs() > unsure+fine {
		c.ahead = ahead
		if ahead.Abs() <= unsure+fine {
			c.ahead = 0
		}
	}
	c.mu.Unlock()
	c.tell(ctx)
}

// tell warns once of a clock that is off, and once it is right again.
func (c *clock) tell(ctx context.Context) {
	skew := c.skew()
	c.mu.Lock()
	off := skew.Abs() > skewTold
	changed := off != c.told
	c.told = off
	c.mu.Unlock()
	switch {
	case !changed:
	case off:
		c.log.WarnContext(ctx, "this server's clock differs from Postgres'; it is corrected where servers must agree",
			"ahead", (-skew).Round(time.Millisecond))
	default:
		c.log.WarnContext(ctx, "this server's clock agrees with Postgres' again")
	}
}

// skew is how far Postgres' clock is ahead of the local one.
func (c *clock) skew() time.Duration {
	now := c.local()
	moved := c.began.Add(now.Sub(c.began)).Round(0).Sub(now.Round(0)) // the local one was set back by so much
	if moved.Abs() < fine {
		moved = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead + moved
}

// theirs is a local time by Postgres' clock. That there is none stays so.
func (c *clock) theirs(t time.Time) time.Time { return shifted(t, c.skew()) }

// ours is a time of Postgres' by the local clock.
func (c *clock) ours(t time.Time) time.Time { return shifted(t, -c.skew()) }

func shifted(t time.Time, by time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(by)
}

// Now is the time by Postgres' clock, with a monotonic reading. With NowOrNil it makes River live by it.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.began.Add(c.local().Sub(c.began) + c.ahead)
}

// NowOrNil lets River's statements take Postgres' own now().
func (*clock) NowOrNil() *time.Time { return nil }

// until is how long it takes until a time of Postgres'.
func (c *clock) until(t time.Time) time.Duration { return t.Sub(c.Now()) }

// measure asks Postgres for its time.
func (c *clock) measure(ctx context.Context, pool *pgxpool.Pool) error {
	const query = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect for Postgres' time: %w", err)
	}
	defer conn.Release()
	var micros int64
	before := c.local()
	if err := conn.QueryRow(ctx, query).Scan(&micros); err != nil {
		return fmt.Errorf("read Postgres' time: %w", err)
	}
	c.measured(ctx, before, c.local(), time.UnixMicro(micros))
	return nil
}

// keep measures until ctx ends. While Postgres is away nothing is written either: others tell of that.
func (c *clock) keep(ctx context.Context, pool *pgxpool.Pool) {
	for sleep(ctx, measureEvery); ctx.Err() == nil; sleep(ctx, measureEvery) {
		if err := c.measure(ctx, pool); err != nil && ctx.Err() == nil {
			c.log.DebugContext(ctx, "Postgres' clock cannot be read", "error", err)
		}
	}
}

// Skew is how far Postgres' clock is ahead of this server's.
func (s *Store) Skew() time.Duration { return s.clock.skew() }
