// Package gcra is the token bucket that every engine keeps in its rows: arithmetic only, no clock
// and no store of its own.
package gcra

import (
	"math"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Full is the value of a bucket that was never used.
const Full = math.MinInt64

// longest bounds the time that a bucket takes to fill, so that no rate overflows.
const longest = 10 * 365 * 24 * time.Hour

// jump is how far a bucket may be more than empty before its time counts for nothing: callers that
// overtake each other come with times a little out of order, and must not gain by it.
const jump = 5 * time.Second

// Take takes a token of every bucket, or of none and returns how long to wait for all of them. A
// rate of zero is no limit. full returns the value that is stored for a bucket, Full if there is
// none; after are the values to store, none when there is a wait.
func Take(rates []store.Rate, now time.Time, full func(name string) (int64, error)) (after map[string]int64, wait time.Duration, err error) {
	after = make(map[string]int64, len(rates))
	for _, r := range rates {
		if r.PerSecond <= 0 {
			continue
		}
		value, ok := after[r.Bucket]
		if !ok {
			if value, err = full(r.Bucket); err != nil {
				return nil, 0, err
			}
		}
		value, more := bucket{full: value, rate: r}.take(now.UnixNano())
		after[r.Bucket] = value
		wait = max(wait, more)
	}
	if wait > 0 {
		return nil, wait, nil
	}
	return after, 0, nil
}

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
