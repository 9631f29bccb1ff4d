package app_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/store"
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

func TestTheOldestOfTooManyDeliveriesAreRemoved(t *testing.T) {
	t.Parallel()
	for engine, configure := range map[string]func(w *world, more string) *config.Config{
		"sqlite": func(w *world, more string) *config.Config { return w.config(more) },
		"postgres": func() func(w *world, more string) *config.Config {
			url := pgtest.Database(t)
			return func(w *world, more string) *config.Config { return w.onPostgres(url, more) }
		}(),
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := configure(w, "retention: {most: 5}")
			db, err := app.OpenServerStore(t.Context(), c, w.logger())
			require.NoError(t, err)
			states := []store.DeliveryState{store.Dead, store.Delivered, store.Superseded, store.Silenced}
			var all []store.Delivery
			for i := range 12 { // the higher, the older; of each state one is kept
				all = append(all, settledAgo(fmt.Sprint("old", i), states[i%len(states)], time.Duration(i+2)*time.Hour))
			}
			for i := range 3 {
				all = append(all, settledAgo(fmt.Sprint("young", i), states[(i+2)%len(states)], time.Duration(i+1)*time.Minute))
			}
			all = append(all, settledAgo("pending", store.Pending, 20*time.Hour))
			require.NoError(t, db.Write(t.Context(), store.Change{At: time.Now().UTC(), Deliveries: all}))
			require.NoError(t, db.Close())

			w.start(c)
			w.awaitKept(c, "old0", "old1", "young0", "young1", "young2", "pending")
			require.NoError(t, w.stop())
			w.start(configure(w, "retention: {most: 1}"))
			w.awaitKept(c, "young0", "young1", "young2", "pending")
			require.NoError(t, w.stop())
		})
	}
}

// settledAgo is a delivery as it was left so long ago; one that is pending waits for another day.
func settledAgo(id string, state store.DeliveryState, ago time.Duration) store.Delivery {
	now := time.Now().UTC()
	d := store.Delivery{
		ID: id, Key: id, WatchID: "w-" + id, Kind: "stdout", Connection: "stdout", Destination: []byte(`{}`), Content: []byte(`{}`),
		State: state, CreatedAt: now.Add(-ago), SettledAt: now.Add(-ago), NextAt: now.Add(24 * time.Hour),
	}
	if state == store.Pending {
		d.SettledAt = time.Time{}
	}
	return d
}

// awaitKept waits until these deliveries are in the store, and no others.
func (w *world) awaitKept(c *config.Config, want ...string) {
	w.t.Helper()
	var got []string
	require.Eventually(w.t, func() bool {
		db, err := app.OpenStore(w.t.Context(), c)
		require.NoError(w.t, err)
		defer func() { require.NoError(w.t, db.Close()) }()
		got = nil
		require.NoError(w.t, db.Deliveries(w.t.Context(), store.Filter{}, func(d store.Delivery) error {
			got = append(got, d.ID)
			return nil
		}))
		return len(got) <= len(want)
	}, patience, 20*time.Millisecond)
	require.ElementsMatch(w.t, want, got)
}
