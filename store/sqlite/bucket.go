package sqlite

import (
	"errors"
	"math"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// longest bounds the time that a bucket takes to fill, so that no rate overflows.
const longest = 10 * 365 * 24 * time.Hour

// jump is how far a bucket may be more than empty before its time counts for nothing: callers that
// overtake each other come with times a little out of order, and must not gain by it.
const jump = 5 * time.Second

// bucket is a token bucket kept as one time (the "generic cell rate algorithm"): full is when the
// bucket will be full again, in nanoseconds since 1970. It needs no clock of its own, and no
// rounding adds up: a token is a whole number of nanoseconds.
type bucket struct {
	full int64
	rate store.Rate
}

// step is the time in which one token arrives, rounded up: a service's limit is never exceeded.
func (b bucket) step() int64 {
	return int64(math.Ceil(min(float64(time.Second)/b.rate.PerSecond, float64(longest))))
}

// capacity is the time in which the empty bucket fills.
func (b bucket) capacity() int64 {
	return int64(min(float64(max(b.rate.Burst, 1))*float64(b.step()), float64(longest)))
}

// take returns when the bucket will be full once a token was taken, and how long to wait until
// there is one.
func (b bucket) take(now int64) (full int64, wait time.Duration) {
	full = max(b.full, now)
	if full > now+b.capacity()+int64(jump) {
		// More than empty: the clock went back, or the rate was slower before. A token is given at
		// once, and the bucket counts from here.
		full = now + b.capacity() - b.step()
	}
	full += b.step()
	return full, time.Duration(max(full-now-b.capacity(), 0))
}

// take takes a token of every bucket, or of none and returns how long to wait for all of them. A
// rate of zero is no limit.
func (t *tx) take(rates []store.Rate, now time.Time) (time.Duration, error) {
	const save = "INSERT INTO buckets (name, tat) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET tat = excluded.tat"
	var wait time.Duration
	after := make(map[string]int64, len(rates))
	for _, r := range rates {
		if r.PerSecond <= 0 {
			continue
		}
		full, ok := after[r.Bucket]
		if !ok {
			var err error
			if full, err = t.bucket(r.Bucket); err != nil {
				return 0, err
			}
		}
		full, more := bucket{full: full, rate: r}.take(now.UnixNano())
		after[r.Bucket] = full
		wait = max(wait, more)
	}
	if wait > 0 {
		return wait, nil
	}
	for name, full := range after {
		if err := t.exec(save, name, full); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// bucket reads when a bucket will be full; one never used is.
func (t *tx) bucket(name string) (int64, error) {
	var full int64
	err := t.row("SELECT tat FROM buckets WHERE name = ?", []any{name}, &full)
	if errors.Is(err, store.ErrNotFound) {
		return math.MinInt64, nil
	}
	return full, err
}
