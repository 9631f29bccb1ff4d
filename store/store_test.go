package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestOnlyWhatIsToBeSentIsUnsettled(t *testing.T) {
	t.Parallel()
	require.False(t, store.Pending.Settled())
	require.False(t, store.Held.Settled())
	for _, s := range []store.DeliveryState{store.Delivered, store.Dead, store.Superseded, store.Silenced} {
		require.True(t, s.Settled(), s)
	}
}

func TestEventsOfEngines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := store.Delivery{Kind: "slack", Address: "#ml", Attempts: 2, State: store.Dead}
	require.Equal(t, []store.Event{
		{At: now, Kind: "registered", Text: "attempt 3"},
		{At: now, Kind: "cancelled", Text: "aborted"},
		{At: now, Kind: "unknown", Text: "slack #ml: attempt 2 was cut short, it may or may not have arrived"},
		{At: now, Kind: "redriven", Text: "slack #ml: to be sent again, was dead"},
		{At: now, Kind: "superseded", Text: "slack #ml: not sent, it no longer holds"},
		{At: now, Kind: "released", Text: "slack #ml: held until now"},
	}, []store.Event{
		store.Registered(store.Watch{Attempt: 3, CreatedAt: now}),
		store.CancelledEvent("aborted", now),
		store.UnknownEvent(d, now),
		store.RedrivenEvent(d, now),
		store.SupersededEvent(d.Kind, d.Address, "", now),
		store.ReleasedEvent(d.Kind, d.Address, now),
	})
}
