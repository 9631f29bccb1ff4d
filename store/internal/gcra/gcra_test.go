package gcra_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/gcra"
)

// rows are buckets as an engine keeps them.
type rows map[string]int64

func (r rows) full(name string) (int64, error) {
	if v, ok := r[name]; ok {
		return v, nil
	}
	return gcra.Full, nil
}

func (r rows) take(t *testing.T, now time.Time, rates ...store.Rate) time.Duration {
	t.Helper()
	after, wait, err := gcra.Take(rates, now, r.full)
	require.NoError(t, err)
	if wait > 0 {
		require.Empty(t, after, "a refusal costs nothing")
	}
	for name, v := range after {
		r[name] = v
	}
	return wait
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func TestBurstThenRate(t *testing.T) {
	t.Parallel()
	r, rate := rows{}, store.Rate{Bucket: "b", PerSecond: 2, Burst: 2}
	require.Zero(t, r.take(t, start(), rate))
	require.Zero(t, r.take(t, start(), rate))
	require.Equal(t, 500*time.Millisecond, r.take(t, start(), rate))
	require.Equal(t, time.Nanosecond, r.take(t, start().Add(500*time.Millisecond-1), rate))
	require.Zero(t, r.take(t, start().Add(500*time.Millisecond), rate))
}

func TestAllOrNone(t *testing.T) {
	t.Parallel()
	r := rows{}
	slow, fast := store.Rate{Bucket: "slow", PerSecond: 1, Burst: 1}, store.Rate{Bucket: "fast", PerSecond: 10, Burst: 2}
	require.Zero(t, r.take(t, start(), slow, fast))
	require.Equal(t, time.Second, r.take(t, start(), fast, slow))
	require.Zero(t, r.take(t, start(), fast), "the refused one left its token")
	require.Equal(t, 100*time.Millisecond, r.take(t, start(), fast))
}

func TestOneBucketTwice(t *testing.T) {
	t.Parallel()
	r, rate := rows{}, store.Rate{Bucket: "b", PerSecond: 1, Burst: 2}
	require.Zero(t, r.take(t, start(), rate, rate))
	require.Equal(t, time.Second, r.take(t, start(), rate), "it gave two tokens")
}

func TestNoLimitReadsNothing(t *testing.T) {
	t.Parallel()
	after, wait, err := gcra.Take([]store.Rate{{Bucket: "b"}}, start(), func(string) (int64, error) {
		return 0, errors.New("read")
	})
	require.NoError(t, err)
	require.Zero(t, wait)
	require.Empty(t, after)
}

func TestErrorsOfTheStoreAreReturned(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, _, err := gcra.Take([]store.Rate{{Bucket: "b", PerSecond: 1}}, start(), func(string) (int64, error) { return 0, broken })
	require.ErrorIs(t, err, broken)
}

func TestAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	r, rate := rows{}, store.Rate{Bucket: "b", PerSecond: 1, Burst: 1}
	require.Zero(t, r.take(t, start(), rate))
	require.Zero(t, r.take(t, start().Add(-time.Hour), rate), "delays nobody for an hour")
	require.Equal(t, time.Second, r.take(t, start().Add(-time.Hour), rate))
}

func TestRatesBeyondTheClock(t *testing.T) {
	t.Parallel()
	r, rate := rows{}, store.Rate{Bucket: "b", PerSecond: 1e-30, Burst: 1 << 40}
	require.Zero(t, r.take(t, start(), rate))
	require.Positive(t, r.take(t, start(), rate), "a bucket fills in ten years at the latest")
}
