package flyte_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestTheNextHolderGoesOnWhereTheLastOneCameTo(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 150)
		stop := w.run()
		require.Zero(t, w.made()[0].since, "of what nobody took everything is read")
		w.sleep(time.Minute)
		w.news()
		stop()
		c, _ := w.taken()
		require.WithinDuration(t, time.Now(), c.Since, 8*time.Second)
		require.Equal(t, period.Overlap, c.Overlap)

		w.set("e00001", "FAILED")
		w.sleep(time.Hour)
		w.set("e00140", "FAILED")
		w.made()
		w.run()
		require.Equal(t, []string{"e00001 FAILED time", "e00140 FAILED time"}, w.news())
		require.True(t, c.Since.Add(-period.Overlap).Equal(w.made()[0].since))
		require.Zero(t, w.stats().SweepFinds)
	})
}

func TestTheCursorIsRecordedNowAndThen(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		_, times := w.taken()
		require.Equal(t, 1, times, "what everybody would read again at once, else")
		w.sleep(time.Minute)
		_, times = w.taken()
		require.InDelta(t, 11, times, 2, "each time is a commit")
	})
}

// TestTheCursorStaysWhileRowsAreNotTaken asks that nobody who takes over misses what this holder
// could not store or not read.
func TestTheCursorStaysWhileRowsAreNotTaken(t *testing.T) {
	t.Parallel()
	troubles := map[string]func(w *world){
		"the sink fails":     func(w *world) { w.fail(errors.New("disk full"), nil) },
		"the source fails":   func(w *world) { w.fail(nil, errors.New("busy")) },
		"flyteadmin is down": func(w *world) { w.sim.SetFault("ListExecutions", flytesim.Fault{Code: codes.Internal}) },
		"flyteadmin hangs":   func(w *world) { w.sim.SetFault("ListExecutions", flytesim.Fault{Hang: true}) },
		"one page is bad":    func(w *world) { w.corrupt.Store(true) },
	}
	for name, begin := range troubles {
		t.Run(name, func(t *testing.T) {
			feedTest(t, func(t *testing.T, w *world) {
				w.add("e", 250)
				read := w.list
				w.list = func(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
					if names[0] == "e00100" && w.corrupt.Load() {
						return nil, errors.New("a corrupt row")
					}
					return read(ctx, s, names, since)
				}
				stop := w.run()
				w.sleep(10 * time.Second)
				w.news()
				began := time.Now()
				begin(w)
				w.set("e00105", "FAILED")
				w.sleep(time.Minute)
				stop()
				c, _ := w.taken()
				require.False(t, c.Since.After(began))

				next := newWorld(t, period)
				next.names, next.cursor, next.sim, next.phases = w.names, c, w.sim, w.phases
				next.list = next.client(w.sim)
				w.sim.ClearFaults()
				next.run()
				require.Equal(t, "FAILED", next.phases["e00105"])
				require.Zero(t, next.stats().SweepFinds)
			})
		})
	}
}

func TestATenureThatIsOverEndsTheFeed(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		done := make(chan error, 1)
		go func() { done <- w.feed.Run(t.Context(), whole, w.tenure()) }()
		w.sleep(time.Minute)
		calls := w.feed.Stats().Calls
		w.mu.Lock()
		w.advanceErr = fmt.Errorf("advance: %w", flyte.ErrFenced)
		w.mu.Unlock()
		w.sleep(8 * time.Second)
		err := <-done
		require.ErrorIs(t, err, flyte.ErrFenced)
		require.ErrorContains(t, err, "ml/production")
		stats := w.feed.Stats()
		require.Empty(t, stats.Shards)
		require.GreaterOrEqual(t, stats.Calls, calls, "sums never go back")
		require.Zero(t, w.log.count("cannot be followed"))
	})
}

func TestAStoreThatFailsToRecordTheCursorStopsNothing(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		w.news()
		before, _ := w.taken()
		w.mu.Lock()
		w.advanceErr = errors.New("disk full")
		w.mu.Unlock()
		w.sleep(time.Minute)
		w.set("e00000", "FAILED")
		w.sleep(2 * time.Second)
		require.Equal(t, []string{"e00000 FAILED time"}, w.news())
		require.Contains(t, w.stats().LastError, "record what was taken: disk full")
		w.mu.Lock()
		w.advanceErr = nil
		w.mu.Unlock()
		w.sleep(2 * time.Second)
		require.Empty(t, w.stats().LastError)
		after, _ := w.taken()
		require.True(t, after.Since.After(before.Since.Add(time.Minute)))
	})
}

func TestAWiderOverlapIsHandedOn(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		stop := w.run()
		w.sleep(time.Minute)
		w.set("e00000", "RUNNING", flytesim.Late(20*time.Second))
		w.sleep(20*time.Second + period.Sweep)
		require.Equal(t, 30*time.Second, w.stats().Overlap)
		stop()
		c, _ := w.taken()
		require.Equal(t, 30*time.Second, c.Overlap)
		w.run()
		require.Equal(t, 30*time.Second, w.stats().Overlap)
		w.news()
		w.set("e00000", "FAILED", flytesim.Late(20*time.Second))
		w.sleep(23 * time.Second)
		require.Equal(t, []string{"e00000 FAILED time"}, w.news())
	})
}

func TestAnOverlapBeyondTheSweepIsNotTakenOver(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.cursor = flyte.Cursor{Since: time.Now(), Overlap: time.Hour} // of a longer sweep
		w.run()
		require.Equal(t, period.Sweep, w.stats().Overlap)
	})
}

// TestNamesAreReadWhileFlyteadminAnswers gives both a second a page.
func TestNamesAreReadWhileFlyteadminAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := period
		cfg.Batch = 1000
		w := newWorld(t, cfg)
		w.add("e", 9500)
		w.slow = time.Second
		w.sim.SetFault("ListExecutions", flytesim.Fault{Latency: time.Second})
		w.run()
		w.sleep(11 * time.Second)
		require.Len(t, w.made(), 10)
		require.Equal(t, time.Now(), w.stats().LastSuccess)
	})
}

func TestAFeedThatEndsReadsNothingAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, period)
		w.add("e", 3000)
		w.slow = 5 * time.Second
		stop := w.run()
		w.sleep(7 * time.Second) // more names are being read
		began := time.Now()
		stop()
		require.Equal(t, 3*time.Second, time.Since(began), "it waits for them")
	})
}
