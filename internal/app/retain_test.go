package app_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

func TestSilencesThatExpiredLongAgoAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config("retention: {deliveries: 24h}")
	db, err := sqlite.Open(t.Context(), filepath.Join(w.dir, "notifier.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	add := func(until time.Duration) (id string) {
		now := time.Now().UTC()
		s, err := delivery.AddSilence(t.Context(), db, delivery.Silence{
			Match: delivery.SilenceMatch{Project: "ml"}, CreatedAt: now.Add(-72 * time.Hour), Until: now.Add(until),
		})
		require.NoError(t, err)
		return s.ID
	}
	add(-25 * time.Hour)
	kept := add(-23 * time.Hour)
	w.start(c)
	require.Eventually(t, func() bool {
		all, err := delivery.Silences(t.Context(), db)
		require.NoError(t, err)
		return len(all) == 1 && all[0].ID == kept
	}, patience, 20*time.Millisecond)
}
