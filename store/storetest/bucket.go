package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func bucketCases() []testCase {
	return []testCase{
		{"a bucket gives its burst, then its rate", bucketRate},
		{"all buckets give a token or none does", bucketsTogether},
		{"a bucket fills to its burst only", bucketFull},
		{"rates below one a second and odd fractions", bucketFractions},
		{"a rate of zero is no limit", bucketUnlimited},
		{"a burst of zero is one", bucketNoBurst},
		{"a clock that goes back delays for a moment only", bucketClock},
		{"purge forgets full buckets without harm", bucketPurged},
	}
}

// attempts makes Begin calls of a fresh delivery each, so that only tokens matter.
type attempts struct {
	t     *testing.T
	s     store.Store
	count int
}

func (a *attempts) begin(now time.Time, rates ...store.Rate) time.Duration {
	a.t.Helper()
	a.count++
	id := fmt.Sprintf("a%d", a.count)
	insert(a.t, a.s, id, delivery(id, id))
	wait, err := a.s.Begin(a.t.Context(), id, 0, now, rates)
	require.NoError(a.t, err)
	open := !readDelivery(a.t, a.s, id).OpenedAt.IsZero()
	require.Equal(a.t, wait == 0, open, "an attempt is open when there was no wait")
	return wait
}

func bucketRate(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	rate := store.Rate{Bucket: "b", PerSecond: 2, Burst: 3}
	for range 3 {
		require.Zero(t, a.begin(start(), rate))
	}
	require.Equal(t, 500*time.Millisecond, a.begin(start(), rate))
	require.Equal(t, 500*time.Millisecond, a.begin(start(), rate), "a refusal costs nothing")
	require.Equal(t, 100*time.Millisecond, a.begin(start().Add(400*time.Millisecond), rate))
	require.Equal(t, time.Nanosecond, a.begin(start().Add(500*time.Millisecond-1), rate))
	require.Zero(t, a.begin(start().Add(500*time.Millisecond), rate))
	require.Equal(t, 500*time.Millisecond, a.begin(start().Add(500*time.Millisecond), rate))

	rate.Bucket = "other"
	require.Zero(t, a.begin(start(), rate), "another bucket is full")
}

func bucketsTogether(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	one := store.Rate{Bucket: "one", PerSecond: 1, Burst: 1}
	two := store.Rate{Bucket: "two", PerSecond: 1, Burst: 2}
	require.Zero(t, a.begin(start(), one, two))
	require.Equal(t, time.Second, a.begin(start(), one, two))
	require.Equal(t, time.Second, a.begin(start(), two, one))
	require.Zero(t, a.begin(start(), two), "the refusals took none of two")
	require.Equal(t, time.Second, a.begin(start(), two))

	slow := store.Rate{Bucket: "slow", PerSecond: 0.1, Burst: 1}
	require.Zero(t, a.begin(after(1), slow))
	require.Equal(t, 10*time.Second, a.begin(after(1), slow, one), "the longest wait of all")

	twice := store.Rate{Bucket: "twice", PerSecond: 1, Burst: 3}
	require.Zero(t, a.begin(start(), twice, twice))
	require.Equal(t, time.Second, a.begin(start(), twice, twice), "one name, two tokens")
}

func bucketFull(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	rate := store.Rate{Bucket: "b", PerSecond: 1, Burst: 2}
	require.Zero(t, a.begin(start(), rate))
	for range 2 {
		require.Zero(t, a.begin(after(3600), rate))
	}
	require.Equal(t, time.Second, a.begin(after(3600), rate))
}

func bucketFractions(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	daily := store.Rate{Bucket: "daily", PerSecond: 1.0 / 86400, Burst: 1}
	require.Zero(t, a.begin(start(), daily))
	require.InDelta(t, 24*time.Hour, a.begin(start(), daily), float64(time.Microsecond))

	rate := store.Rate{Bucket: "odd", PerSecond: 3.7, Burst: 1}
	now := start()
	for range 20 {
		require.Zero(t, a.begin(now, rate))
		wait := a.begin(now, rate)
		require.InDelta(t, float64(time.Second)/3.7, wait, 2)
		now = now.Add(wait)
	}
	never := store.Rate{Bucket: "never", PerSecond: 1e-300, Burst: 1000000}
	require.Zero(t, a.begin(start(), never))
	fast := store.Rate{Bucket: "fast", PerSecond: 1e12, Burst: 1}
	require.Zero(t, a.begin(start(), fast))
	require.LessOrEqual(t, a.begin(start(), fast), time.Nanosecond)
}

func bucketUnlimited(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	for range 5 {
		require.Zero(t, a.begin(start(), store.Rate{Bucket: "b"}, store.Rate{Bucket: "c", PerSecond: -1, Burst: 1}))
		require.Zero(t, a.begin(start()))
	}
}

func bucketNoBurst(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	rate := store.Rate{Bucket: "b", PerSecond: 1}
	require.Zero(t, a.begin(start(), rate))
	require.Equal(t, time.Second, a.begin(start(), rate))
}

func bucketClock(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	rate := store.Rate{Bucket: "b", PerSecond: 1, Burst: 3}
	for range 3 {
		require.Zero(t, a.begin(after(86400), rate))
	}
	require.NotZero(t, a.begin(after(86400).Add(-time.Second), rate), "nobody gains by coming out of order")
	a.soon(start(), rate)

	slow, fast := rate, rate
	slow.PerSecond, slow.Bucket, fast.Bucket = 0.001, "slow", "slow"
	for range 3 {
		require.Zero(t, a.begin(start(), slow))
	}
	a.soon(start(), fast)
}

// soon waits as it is told, and fails when that takes long.
func (a *attempts) soon(now time.Time, rate store.Rate) {
	a.t.Helper()
	until := now.Add(15 * time.Second)
	for wait := a.begin(now, rate); wait > 0; wait = a.begin(now, rate) {
		now = now.Add(wait)
		require.True(a.t, now.Before(until))
	}
}

func bucketPurged(t *testing.T, s store.Store) {
	a := &attempts{t: t, s: s}
	rate := store.Rate{Bucket: "b", PerSecond: 1, Burst: 2}
	for range 2 {
		require.Zero(t, a.begin(start(), rate))
	}
	purge(t, s, start(), start(), 10)
	require.Equal(t, time.Second, a.begin(start(), rate), "one in use stays")
	purge(t, s, after(60), after(60), 10)
	for range 2 {
		require.Zero(t, a.begin(after(60), rate))
	}
	require.Equal(t, time.Second, a.begin(after(60), rate))
}
