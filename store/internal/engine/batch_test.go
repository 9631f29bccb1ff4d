package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// What waits while a batch is under way goes into the next one together, but for what nobody waits for any
// longer; and each caller gets the error of its own job, or else of its batch.
func TestWhatWaitsIsDoneTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		own, whole := errors.New("own"), errors.New("whole")
		var batches [][]string
		b := engine.Start(func(jobs []*engine.Job[string]) {
			<-free
			var batch []string
			for _, j := range jobs {
				batch = append(batch, j.In)
			}
			batches = append(batches, slices.Sorted(slices.Values(batch)))
			for _, j := range jobs {
				switch j.In {
				case "bad":
					j.Err = own
					j.Answer(nil)
				case "first":
					j.Answer(whole)
				default:
					j.Answer(nil)
				}
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		got := map[string]error{}
		do := func(ctx context.Context, in string) {
			go func() {
				err := b.Do(ctx, in)
				mu.Lock()
				defer mu.Unlock()
				got[in] = err
			}()
		}
		do(t.Context(), "first")
		synctest.Wait()
		for _, in := range []string{"a", "b", "bad"} {
			do(t.Context(), in)
		}
		do(ctx, "gone")
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(free)
		synctest.Wait()
		b.Close()
		b.Close()
		require.Equal(t, [][]string{{"first"}, {"a", "b", "bad"}}, batches)
		require.ErrorIs(t, got["first"], whole)
		require.NoError(t, got["a"])
		require.ErrorIs(t, got["bad"], own)
		require.ErrorIs(t, got["gone"], context.Canceled)
		require.ErrorIs(t, b.Do(t.Context(), "late"), engine.ErrClosed)
		require.ErrorIs(t, b.Do(ctx, "late"), context.Canceled)
	})
}

// More callers than a batch takes: nobody is left out when one is full.
func TestNobodyIsLostBehindAFullBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const callers = 3*engine.BatchSize + 7
		free := make(chan struct{})
		var sizes []int
		b := engine.Start(func(jobs []*engine.Job[int]) {
			<-free
			sizes = append(sizes, len(jobs))
			for _, j := range jobs {
				j.Answer(nil)
			}
		})
		var answered atomic.Int64
		for i := range callers {
			go func() {
				if b.Do(t.Context(), i) == nil {
					answered.Add(1)
				}
			}()
		}
		synctest.Wait()
		close(free)
		synctest.Wait()
		b.Close()
		require.EqualValues(t, callers, answered.Load())
		require.Equal(t, engine.BatchSize, slices.Max(sizes))
	})
}
