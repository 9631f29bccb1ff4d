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

// feedTest runs f in a world where time is synctest's.
func feedTest(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, period)) })
}

func TestAChangeIsToldWithinAnInterval(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 2)
		w.set("e00001", "RUNNING")
		w.run()
		require.Equal(t, []string{"e00000 UNDEFINED start", "e00001 RUNNING start"}, w.news())
		for _, phase := range []string{"QUEUED", "RUNNING", "FAILING", "FAILED"} {
			w.set("e00000", phase)
			w.sleep(2 * time.Second)
			require.Equal(t, []string{"e00000 " + phase + " time"}, w.news())
		}
	})
}

func TestTheSameRowsComeAgainWithinTheOverlapAndAreNoNews(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		w.sleep(time.Minute)
		w.news()
		before := w.stats().Rows
		w.set("e00000", "RUNNING")
		w.sleep(time.Minute)
		require.Equal(t, []string{"e00000 RUNNING time"}, w.news())
		require.InDelta(t, 9, w.stats().Rows-before, 1, "15 s of rounds, each 2 s")
		require.InDelta(t, 1+4, w.given(), 1, "once at the start; the sink is not asked each time")
	})
}

// TestARowIsTakenOnceMoreAfterItWasNews, since what the sink recorded may be a later phase than the
// row's: only what it knew already is left out for some rounds.
func TestARowIsTakenOnceMoreAfterItWasNews(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		w.sleep(time.Minute)
		w.set("e00000", "RUNNING")
		var asked []int
		for range 6 {
			before := w.given()
			w.sleep(2 * time.Second)
			asked = append(asked, w.given()-before)
		}
		require.Equal(t, []int{1, 1, 0, 0, 0, 1}, asked)
	})
}

func TestARoundReadsAllNamesInPagesByTime(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 250)
		w.run()
		start := time.Now()
		calls := w.made()
		require.Len(t, calls, 3)
		for i, size := range []int{100, 100, 50} {
			require.Len(t, calls[i].names, size)
			require.Zero(t, calls[i].since, "the first round has no time filter")
		}
		for range 5 {
			w.sleep(2 * time.Second)
			calls = w.made()
			require.Len(t, calls, 3)
			require.Equal(t, start.Add(-15*time.Second), calls[0].since, "the start of the last round less the overlap")
			start = calls[0].at
		}
		require.Equal(t, 250, w.stats().Names)
		require.Equal(t, time.Now(), w.stats().LastSuccess)
	})
}

func TestNewNamesJoinAndOldOnesLeave(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.run()
		w.sleep(time.Minute)
		require.Empty(t, w.made(), "no names, no calls")
		w.add("e", 1)
		w.sleep(2 * time.Second)
		require.Equal(t, []string{"e00000 UNDEFINED time"}, w.news())
		w.mu.Lock()
		w.names = nil
		w.mu.Unlock()
		w.made()
		w.sleep(6 * time.Minute)
		require.Empty(t, w.made())
	})
}

func TestALargeShardTakesLargerPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, period)
		w.list = func(context.Context, flyte.Scope, []string, time.Time) ([]flyte.Row, error) { return nil, nil }
		for i := range 25_000 {
			w.names = append(w.names, fmt.Sprintf("e%05d", i))
		}
		w.run()
		first := w.made()
		require.Len(t, first[0].names, 100)
		require.Len(t, first[len(first)-2].names, 500, "it is seen to be large while it is read")
		w.sleep(2 * time.Second)
		for _, c := range w.made() {
			require.Len(t, c.names, 500)
		}
	})
}

func TestWhatBecameVisibleLateIsFoundByTheOverlap(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		w.sleep(time.Minute)
		w.news()
		w.set("e00000", "RUNNING", flytesim.Late(12*time.Second))
		w.sleep(11 * time.Second)
		require.Empty(t, w.news())
		w.sleep(3 * time.Second)
		require.Equal(t, []string{"e00000 RUNNING time"}, w.news())
		require.Zero(t, w.stats().SweepFinds)
	})
}

func TestWhatTheOverlapMissedIsFoundByTheSweepWhichDoublesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := period
		cfg.Batch = 10
		w := newWorld(t, cfg)
		w.add("e", 30)
		w.run()
		w.sleep(time.Minute)
		w.news()
		w.set("e00015", "RUNNING", flytesim.Late(20*time.Second))
		w.sleep(20*time.Second + period.Sweep)
		require.Equal(t, []string{"e00015 RUNNING sweep"}, w.news())
		require.EqualValues(t, 1, w.stats().SweepFinds)
		require.Equal(t, 30*time.Second, w.stats().Overlap)
		require.Equal(t, 1, w.log.count("the sweep found changes"))

		w.set("e00020", "RUNNING", flytesim.Late(20*time.Second))
		w.sleep(23 * time.Second)
		require.Equal(t, []string{"e00020 RUNNING time"}, w.news(), "the wider overlap finds it")
	})
}

func TestTheOverlapDoublesUpToTheSweep(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		var overlaps []time.Duration
		for i := range 6 {
			w.set("e00000", []string{"RUNNING", "QUEUED"}[i%2], flytesim.Late(6*time.Minute))
			w.sleep(12 * time.Minute)
			overlaps = append(overlaps, w.stats().Overlap)
		}
		require.Equal(t, []time.Duration{
			30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute,
		}, overlaps)
	})
}

func TestAFlyteadminWhoseClockIsBehindIsFollowedAfterTheFirstFinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		behind := func() time.Time { return time.Now().Add(-50 * time.Second) }
		w := newWorld(t, period, flytesim.WithClock(behind))
		w.add("e", 1)
		w.run()
		for i := range 3 {
			w.set("e00000", []string{"RUNNING", "QUEUED"}[i%2])
			w.sleep(period.Sweep)
		}
		require.Equal(t, time.Minute, w.stats().Overlap)
		w.news()
		w.set("e00000", "FAILED")
		w.sleep(2 * time.Second)
		require.Equal(t, []string{"e00000 FAILED time"}, w.news())
	})
}

func TestTheSweepReadsEachNameOnceAPeriodEvenly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := period
		cfg.Batch = 10
		w := newWorld(t, cfg)
		w.add("e", 100)
		w.run()
		w.sleep(time.Second)
		w.made()
		w.sleep(period.Sweep)
		seen := map[string]int{}
		var times []time.Time
		for _, c := range w.made() {
			if c.since.IsZero() {
				times = append(times, c.at)
				for _, name := range c.names {
					seen[name]++
				}
			}
		}
		require.Len(t, seen, 100)
		require.Len(t, times, 10, "none of them twice")
		for i := range times[1:] {
			require.InDelta(t, 30, times[i+1].Sub(times[i]).Seconds(), 2)
		}
	})
}

func TestChangesUnderASweepAreNoFindsOfIt(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 20)
		w.run()
		for i := range 400 { // a change each 1.7 s, so that some fall just before a sweep
			w.set(fmt.Sprintf("e%05d", i%20), []string{"RUNNING", "QUEUED", "FAILING"}[i%3])
			w.sleep(1700 * time.Millisecond)
		}
		require.Zero(t, w.stats().SweepFinds)
		require.Equal(t, period.Overlap, w.stats().Overlap)
	})
}

func TestAChangeBetweenTheReadsOfARoundIsNoFindOfItsSweep(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"before the sweep's first read": true, "after it": false} {
		t.Run(name, func(t *testing.T) {
			feedTest(t, func(t *testing.T, w *world) {
				w.add("e", 1)
				read, want := w.list, []string{"e00000 UNDEFINED start"}
				change := func() {
					phase := []string{"RUNNING", "QUEUED"}[len(want)%2]
					w.set("e00000", phase)
					want = append(want, "e00000 "+phase+" time")
				}
				w.list = func(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
					sweeps := since.IsZero() && len(w.phases) > 0
					if sweeps && before {
						change()
					}
					rows, err := read(ctx, s, names, since)
					if sweeps && !before {
						change()
					}
					return rows, err
				}
				w.run()
				w.sleep(20 * time.Minute)
				require.Len(t, want, 1+4)
				require.Equal(t, want, w.news(), "each once, and none backwards")
				require.Zero(t, w.stats().SweepFinds)
			})
		})
	}
}

func TestPhasesThatGoBackAndArchivedExecutionsAreTold(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.sim.Archive(execution("e00000"), true)
		w.run()
		require.Equal(t, []string{"e00000 UNDEFINED start"}, w.news())
		for _, phase := range []string{"RUNNING", "ABORTING", "RUNNING", "FAILED", "RUNNING", "SUCCEEDED"} {
			w.set("e00000", phase)
			w.sleep(2 * time.Second)
			require.Equal(t, []string{"e00000 " + phase + " time"}, w.news())
		}
	})
}

func TestASinkThatFailsGetsTheRowsAgain(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		w.news()
		w.fail(errors.New("disk full"), nil)
		w.set("e00000", "FAILED")
		w.sleep(10 * time.Minute)
		require.Len(t, w.news(), 0)
		require.Greater(t, len(w.made()), 290, "a failing sink is no reason to back off from flyteadmin")
		require.Contains(t, w.stats().LastError, "disk full")
		require.Equal(t, 1, w.log.count("changes cannot be followed"), "told once")
		w.fail(nil, nil)
		w.sleep(2 * time.Second)
		require.Equal(t, []string{"e00000 FAILED time"}, w.news())
		require.Zero(t, w.stats().SweepFinds)
		require.Empty(t, w.stats().LastError)
		require.Equal(t, 1, w.log.count("changes are followed again"))
	})
}

func TestASourceThatFailsLosesNothing(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 250)
		w.run()
		w.news()
		w.fail(nil, errors.New("store is busy"))
		w.set("e00200", "FAILED")
		w.sleep(10 * time.Minute)
		require.Contains(t, w.stats().LastError, "read names to poll: store is busy")
		w.fail(nil, nil)
		w.sleep(4 * time.Second)
		require.Equal(t, []string{"e00200 FAILED time"}, w.news())
	})
}

func TestShardsAreFollowedApart(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() {
			done <- w.feed.Run(ctx, flyte.Shard{Scope: flyte.Scope{Project: "ml", Domain: "development"}, Of: 1}, w.tenure())
		}()
		w.sleep(time.Minute)
		w.sim.SetFault("ListExecutions", flytesim.Fault{Code: codes.Internal})
		w.sleep(time.Minute)
		stats := w.feed.Stats()
		require.Len(t, stats.Shards, 2)
		require.Equal(t, "ml/development", stats.Shards[0].Shard.String())
		require.Equal(t, stats.Shards[0].Calls+stats.Shards[1].Calls, stats.Calls)
		require.Equal(t, stats.Shards[0].Errors+stats.Shards[1].Errors, stats.Errors)
		require.False(t, stats.FailingSince.IsZero())
		cancel()
		require.NoError(t, <-done)
	})
}
