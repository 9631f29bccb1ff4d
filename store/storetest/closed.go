package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func closedCases() []testCase {
	return []testCase{
		{"a closed store answers with errors", closedErrors},
		{"closing amid writes loses none that was answered", closedAmidWrites},
	}
}

func closedErrors(t *testing.T, s store.Store) {
	w := register(t, s, watch("w"))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "closing twice is no error")
	_, err := s.Register(t.Context(), watch("v"))
	require.Error(t, err)
	_, err = s.Watch(t.Context(), "w")
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrNotFound, "a failing store does not know what it holds")
	require.Error(t, s.Move(t.Context(), store.Transition{Watch: w}))
	_, err = s.Lanes(t.Context(), start())
	require.Error(t, err)
	_, err = s.Begin(t.Context(), "d", 0, start(), nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrConflict)
	require.Error(t, s.Write(t.Context(), store.Change{Notes: []store.Note{note("a")}}))
	_, err = s.Notes(t.Context(), "progress", []string{"a"})
	require.Error(t, err, "a failing store does not know what is not there")
	_, err = s.DueNotes(t.Context(), "progress", start(), store.Note{}, 1)
	require.Error(t, err)
	_, err = s.NextDue(t.Context(), "progress")
	require.Error(t, err)
	_, err = s.Bundles(t.Context(), start(), 1)
	require.Error(t, err)
	_, err = s.DeliveriesOf(t.Context(), []string{"d"})
	require.Error(t, err)
	_, err = s.Shards(t.Context())
	require.Error(t, err)
	_, _, err = s.Counts(t.Context())
	require.Error(t, err)
	require.Error(t, s.Ping(t.Context()))
}

func closedAmidWrites(t *testing.T, s store.Store) {
	started := make(chan struct{}, 40)
	finished := make(chan error, 40)
	for i := range 40 {
		go func() {
			var err error
			for n := 0; err == nil; n++ {
				if n == 1 {
					started <- struct{}{}
				}
				_, err = s.Register(t.Context(), watch(numbered("w", i+1)[i], func(w *store.Watch) { w.Attempt = uint32(n) }))
			}
			finished <- err
		}()
	}
	for range 40 {
		<-started
	}
	require.NoError(t, s.Close())
	for range 40 {
		require.Error(t, <-finished, "none hangs")
	}
}
