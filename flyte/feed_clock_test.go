package flyte_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// wall is a server's wall clock, which may be set; flyteadmin's is right.
type wall struct{ ahead atomic.Int64 }

func (c *wall) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *wall) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

// clockTest runs f in a world whose feed has a clock that can be set.
func clockTest(t *testing.T, f func(t *testing.T, w *world, c *wall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &wall{}
		cfg := period
		cfg.Clock = c.now
		w := newWorld(t, cfg)
		w.add("e", 3)
		f(t, w, c)
	})
}

// blind is how many of these calls had no time filter.
func blind(calls []call) (n int) {
	for _, c := range calls {
		if c.since.IsZero() {
			n++
		}
	}
	return n
}

func TestAClockThatIsSetMissesNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ before, after time.Duration }{
		"ahead, put right":      {time.Hour, 0},
		"behind, put right":     {-time.Hour, 0},
		"right, set ahead":      {0, time.Hour},
		"right, set back":       {0, -time.Hour},
		"right, a little ahead": {0, 10 * time.Second},
		"right, a little back":  {0, -10 * time.Second},
		"by a day":              {-24 * time.Hour, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clockTest(t, func(t *testing.T, w *world, c *wall) {
				c.set(tc.before)
				w.run()
				w.sleep(time.Minute)
				w.news()
				w.set("e00000", "RUNNING") // between the last round by the old clock ...
				c.set(tc.after)
				w.made()
				w.sleep(2 * time.Second)
				require.Equal(t, []string{"e00000 RUNNING start"}, w.news())
				w.set("e00001", "RUNNING") // ... and the second by the new one
				w.sleep(2 * time.Second)
				require.Equal(t, []string{"e00001 RUNNING start"}, w.news())
				require.Equal(t, 2, blind(w.made()))
				require.Equal(t, 1, w.log.count("a clock was set"))
				w.set("e00002", "FAILED")
				w.sleep(2 * time.Second)
				if tc.after <= 10*time.Second {
					require.Equal(t, []string{"e00002 FAILED time"}, w.news())
					require.NotZero(t, w.made()[0].since)
					return
				}
				w.sleep(period.Sweep)
				require.Equal(t, []string{"e00002 FAILED sweep"}, w.news(), "a clock that is wrong costs time, but no change")
			})
		})
	}
}

func TestASmallCorrectionOfTheClockIsNoStep(t *testing.T) {
	t.Parallel()
	clockTest(t, func(t *testing.T, w *world, c *wall) {
		w.run()
		w.made()
		for _, ahead := range []time.Duration{time.Second, -5 * time.Second, 0, 7 * time.Second} {
			c.set(ahead)
			w.sleep(2 * time.Second)
		}
		require.Zero(t, blind(w.made()))
		require.Zero(t, w.log.count("a clock was set"))
	})
}

func TestWithoutAnOverlapEveryStepCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &wall{}
		w := newWorld(t, flyte.FeedConfig{Clock: c.now})
		w.add("e", 1)
		w.run()
		w.made()
		c.set(100 * time.Millisecond)
		w.sleep(time.Minute)
		require.Equal(t, 2, blind(w.made()))
	})
}

func TestACursorFromAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	clockTest(t, func(t *testing.T, w *world, c *wall) {
		c.set(time.Hour)
		stop := w.run()
		w.sleep(time.Minute)
		stop()
		w.set("e00000", "FAILED")
		c.set(0) // the next holder's clock
		w.news()
		w.made()
		w.run()
		require.Equal(t, []string{"e00000 FAILED start"}, w.news())
		w.sleep(10 * time.Second)
		require.Equal(t, 2, blind(w.made()))
	})
}

func TestAClockThatIsSetBackAmidASweep(t *testing.T) {
	t.Parallel()
	clockTest(t, func(t *testing.T, w *world, c *wall) {
		read, calls := w.list, 0
		w.list = func(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
			if calls++; since.IsZero() && calls > 1 { // the sweep's first read
				c.set(-24 * time.Hour)
			}
			require.False(t, since.After(c.now()), "reads from %s at %s", since, c.now())
			return read(ctx, s, names, since)
		}
		w.run()
		w.sleep(period.Sweep + 10*time.Second)
		require.Zero(t, w.stats().SweepFinds)
		require.Equal(t, 1, w.log.count("a clock was set"))
	})
}

func TestNoRoundReadsFromTheFuture(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			clockTest(t, func(t *testing.T, w *world, c *wall) { shaken(t, w, c, rand.New(rand.NewPCG(seed, 1))) }) //nolint:gosec // a test's dice
		})
	}
}

// shaken sets the clock again and again, while executions change and commit late, and asks that in the
// end every phase was told.
func shaken(t *testing.T, w *world, c *wall, dice *rand.Rand) {
	t.Helper()
	stop := w.run()
	phases := []string{"QUEUED", "RUNNING", "FAILING", "FAILED"}
	for range 100 {
		switch dice.IntN(5) {
		case 0:
			c.set(time.Duration(dice.Int64N(int64(4*time.Hour))) - 2*time.Hour)
		case 1:
			stop()
			stop = w.run()
		default:
			w.set(fmt.Sprintf("e%05d", dice.IntN(3)), phases[dice.IntN(len(phases))], flytesim.Late(time.Duration(dice.IntN(25))*time.Second))
		}
		w.sleep(time.Duration(dice.IntN(5000)) * time.Millisecond)
		for _, made := range w.made() {
			require.False(t, made.since.After(c.now()), "reads from %s at %s", made.since, c.now())
		}
	}
	w.sleep(time.Minute + 2*period.Sweep)
	rows, err := w.list(t.Context(), production, w.names, time.Time{})
	require.NoError(t, err)
	require.Len(t, rows, 3)
	for _, r := range rows {
		require.Equal(t, r.Phase, w.phases[r.Name], r.Name)
	}
}
