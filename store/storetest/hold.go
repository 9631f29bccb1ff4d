package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func holdCases() []testCase {
	return []testCase{
		{"a lane on hold begins nothing and takes no token", holdWaits},
		{"a hold goes with any outcome, and a shorter one shortens none", holdLongest},
		{"a hold of a clock that was far ahead holds nothing", holdFar},
		{"purge forgets holds that are over", holdPurged},
	}
}

// onHold settles a delivery's first attempt with a wish of the service.
func onHold(t *testing.T, s store.Store, id string, state store.DeliveryState, until time.Time) {
	t.Helper()
	begin(t, s, id, 0, start())
	record(t, s, id, store.Outcome{State: state, NextAt: start(), At: start(), Hold: until})
}

func holdWaits(t *testing.T, s store.Store) {
	insert(t, s, "v", delivery("limited", "v"))
	insert(t, s, "w", delivery("next", "w"), delivery("elsewhere", "w", to("team", "#other")), delivery("mail", "w", to("mail", "#ml")))
	onHold(t, s, "limited", store.Pending, after(60))
	require.ElementsMatch(t, []string{"limited", "next"}, dueIDs(t, s, lane(), start(), 10), "a hold is no delivery's")

	rate := store.Rate{Bucket: "b", PerSecond: 0.001, Burst: 1}
	for seconds, want := range map[int]time.Duration{0: time.Minute, 59: time.Second} {
		wait, err := s.Begin(t.Context(), "next", 0, after(seconds), []store.Rate{rate})
		require.NoError(t, err)
		require.Equal(t, want, wait)
	}
	require.Zero(t, readDelivery(t, s, "next").Attempts)
	wait, err := s.Begin(t.Context(), "limited", 1, after(30), nil)
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, wait)
	begin(t, s, "elsewhere", 0, after(1))
	begin(t, s, "mail", 0, after(1))
	begin(t, s, "next", 0, after(60), rate)
}

func holdLongest(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w"))
	insert(t, s, "v", delivery("b", "v"))
	insert(t, s, "u", delivery("c", "u"))
	begin(t, s, "b", 0, start()) // under way when the first answer comes
	onHold(t, s, "a", store.Delivered, after(60))
	record(t, s, "b", store.Outcome{State: store.Dead, At: after(1), Hold: after(10)})
	wait, err := s.Begin(t.Context(), "c", 0, after(20), nil)
	require.NoError(t, err)
	require.Equal(t, 40*time.Second, wait)
	begin(t, s, "c", 0, after(60))
}

func holdFar(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w"))
	insert(t, s, "v", delivery("b", "v"))
	insert(t, s, "u", delivery("c", "u"))
	far := after(1 << 30)
	begin(t, s, "a", 0, far)
	record(t, s, "a", store.Outcome{State: store.Dead, At: far, Hold: far.Add(time.Minute)})
	begin(t, s, "b", 0, after(1))
	record(t, s, "b", store.Outcome{State: store.Dead, At: after(1), Hold: after(1).Add(time.Hour)})
	wait, err := s.Begin(t.Context(), "c", 0, after(1), nil)
	require.NoError(t, err)
	require.Equal(t, time.Hour, wait, "an hour is asked for, and replaces what is of no effect")
	begin(t, s, "c", 0, after(3601))
}

func holdPurged(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("a", "w"), delivery("b", "w", to("team", "#b")))
	insert(t, s, "v", delivery("c", "v"))
	onHold(t, s, "a", store.Dead, after(60))
	onHold(t, s, "b", store.Dead, after(10))
	purge(t, s, time.Time{}, after(30), 100)
	wait, err := s.Begin(t.Context(), "c", 0, after(30), nil)
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, wait, "one that is not over stays")
	purge(t, s, time.Time{}, after(61), 100)
	begin(t, s, "c", 0, after(61))
}
