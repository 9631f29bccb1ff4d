package flyte_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestAnOutageLosesNothingAndIsNotHammered(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 150)
		w.run()
		w.sleep(time.Minute)
		w.news()
		w.made()
		began := time.Now()
		w.sim.SetFault("ListExecutions", flytesim.Fault{Code: codes.Internal, Message: "database is down"})
		w.sleep(2 * time.Second)
		w.set("e00001", "FAILED")
		w.set("e00140", "FAILED")
		w.sleep(20 * time.Minute)
		calls := w.made()
		require.Less(t, len(calls), 190, "20 minutes, each call at most 10 s after the other")
		require.Greater(t, len(calls), 40)
		for i := range calls[1:] {
			gap := calls[i+1].at.Sub(calls[i].at)
			require.LessOrEqual(t, gap, 10*time.Second)
			require.GreaterOrEqual(t, gap, 1500*time.Millisecond)
		}
		require.WithinDuration(t, began, w.stats().FailingSince, 2*time.Second)
		require.Contains(t, w.stats().LastError, "database is down")
		require.Equal(t, w.stats().FailingSince, w.feed.Stats().FailingSince)

		w.sim.ClearFaults()
		w.sleep(12 * time.Second)
		require.ElementsMatch(t, []string{"e00001 FAILED time", "e00140 FAILED time"}, w.news())
		require.Zero(t, w.stats().FailingSince)
		require.Zero(t, w.stats().SweepFinds)
		w.made()
		w.sleep(20 * time.Second)
		require.GreaterOrEqual(t, len(w.made()), 20, "it is at its pace again at once")
	})
}

func TestAHangingFlyteadminCostsATimeOut(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 1)
		w.run()
		w.news()
		w.sim.SetFault("ListExecutions", flytesim.Fault{Hang: true, Times: 1})
		w.set("e00000", "FAILED")
		w.sleep(11 * time.Second)
		require.Empty(t, w.news())
		require.EqualValues(t, 0, w.stats().Errors)
		w.sleep(5 * time.Second)
		require.EqualValues(t, 1, w.stats().Errors)
		require.Equal(t, []string{"e00000 FAILED time"}, w.news())
	})
}

func TestASlowFlyteadminIsLeftAMoment(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 100)
		w.run()
		w.sim.SetFault("ListExecutions", flytesim.Fault{Latency: 5 * time.Second})
		w.sleep(time.Minute)
		calls := w.made()
		last := calls[len(calls)-1].at.Sub(calls[len(calls)-2].at)
		require.Equal(t, 5200*time.Millisecond, last)
	})
}

func TestAnOutageAtTheStartIsFollowedByAReadOfEverything(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 150)
		w.sim.SetFault("ListExecutions", flytesim.Fault{Code: codes.Unavailable})
		w.run()
		w.sleep(3 * time.Minute)
		require.Empty(t, w.news())
		w.sim.ClearFaults()
		w.sleep(40 * time.Second)
		require.Len(t, w.news(), 150)
	})
}

func TestABadPageStarvesNoOther(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 350)
		read := w.list
		w.list = func(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
			if slices.Contains(names, "e00150") {
				return nil, status.Error(codes.Internal, "a corrupt row")
			}
			return read(ctx, s, names, since)
		}
		w.run()
		w.sleep(time.Minute)
		require.Len(t, w.news(), 250)
		for _, name := range []string{"e00001", "e00349"} {
			w.set(name, "FAILED")
			w.sleep(7 * time.Second)
			require.Contains(t, w.news(), name+" FAILED start")
		}
		require.Contains(t, w.stats().LastError, "a corrupt row")
		require.Zero(t, w.stats().LastSuccess, "no round was whole")
		require.Equal(t, 1, w.log.count("cannot be followed"), "told once")
		require.Zero(t, w.log.count("followed again"))
	})
}

func TestAnAnswerThatIsTooLargeIsAskedForInHalves(t *testing.T) {
	feedTest(t, func(t *testing.T, w *world) {
		w.add("e", 100)
		read := w.list
		w.list = func(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
			if len(names) > 30 {
				return nil, status.Error(codes.ResourceExhausted, "grpc: received message larger than max (21000000 vs. 20971520)")
			}
			return read(ctx, s, names, since)
		}
		w.run()
		require.Len(t, w.news(), 100)
		require.Empty(t, w.stats().LastError)
		w.list = func(context.Context, flyte.Scope, []string, time.Time) ([]flyte.Row, error) {
			return nil, status.Error(codes.ResourceExhausted, "rate limit exceeded")
		}
		w.made()
		w.sleep(2 * time.Second)
		require.Len(t, w.made(), 1, "a rate limit is no reason for more calls")
	})
}

func TestAFeedEndsInTheMiddleOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, period)
		w.add("e", 1)
		w.sim.SetFault("ListExecutions", flytesim.Fault{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.feed.Run(ctx, whole, w.tenure()) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-done)
		require.Zero(t, w.log.count("cannot be followed"), "an end is no trouble")
	})
}

// TestWhateverHappensTheLastPhasesAreTold lets changes, late commits, outages and failing sinks
// come in any order, and asks that in the end the sink knows what flyteadmin knows.
func TestWhateverHappensTheLastPhasesAreTold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { chaos(t, rand.New(rand.NewPCG(seed, 0))) }) //nolint:gosec // a test's dice
		})
	}
}

func chaos(t *testing.T, dice *rand.Rand) {
	t.Helper()
	cfg := period
	cfg.Batch = 15
	w := newWorld(t, cfg)
	w.add("e", 40)
	w.run()
	phases := []string{"QUEUED", "RUNNING", "FAILING", "FAILED", "ABORTING", "ABORTED", "SUCCEEDED"}
	for range 150 {
		switch dice.IntN(12) {
		case 0:
			w.sim.SetFault("ListExecutions", flytesim.Fault{Code: codes.Internal, Times: dice.IntN(5)})
		case 1:
			w.sim.SetFault("ListExecutions", flytesim.Fault{Hang: true, Times: 1})
		case 2:
			w.fail(context.DeadlineExceeded, nil)
		case 3:
			w.fail(nil, context.DeadlineExceeded)
		case 4:
			w.sim.Archive(execution("e00007"), dice.IntN(2) == 0)
		case 5, 6:
			w.fail(nil, nil)
			w.sim.ClearFaults()
		default:
			name := fmt.Sprintf("e%05d", dice.IntN(40))
			w.set(name, phases[dice.IntN(len(phases))], flytesim.Late(time.Duration(dice.IntN(25))*time.Second))
		}
		w.sleep(time.Duration(dice.IntN(4000)) * time.Millisecond)
	}
	w.fail(nil, nil)
	w.sim.ClearFaults()
	w.sleep(time.Minute + period.Sweep)
	rows, err := w.list(t.Context(), production, w.names, time.Time{})
	require.NoError(t, err)
	for _, r := range rows {
		require.Equal(t, r.Phase, w.phases[r.Name], r.Name)
	}
}
