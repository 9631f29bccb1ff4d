package agent_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// An active watch runs, whatever it has delivered: its deliveries need no look.
func TestActiveWatchIsOneRead(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, waiting()))
		w.store.fault(failing(errDisk), "WatchDeliveries")
		phase, message := w.phase(meta)
		require.Equal(w.t, "RUNNING", phase)
		require.NotContains(w.t, message, "the store did not answer")
		w.store.fault(nil, "WatchDeliveries")
		w.move(ended("FAILED"), w.delivery("d1"))
		_, message = w.phase(meta)
		require.Equal(w.t, "delivering delivery d1", message)
	})
}

// Looks do not wait for each other, however many hang; afterwards all is as before.
func TestLooksDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, waiting()))
		for range 2 {
			release, hung := make(chan struct{}), 0
			var mu sync.Mutex
			w.store.fault(func(context.Context) error {
				mu.Lock()
				hung++
				mu.Unlock()
				<-release // no context reaches a disk
				return nil
			}, "Watch")
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { w.phase(meta) })
			}
			synctest.Wait()
			require.Equal(w.t, 50, hung)
			w.store.fault(nil, "Watch")
			_, message := w.phase(meta)
			require.Contains(w.t, message, "watching ml/production/other")
			close(release)
			all.Wait()
			synctest.Wait()
			time.Sleep(time.Minute) // simulated: the readers that wait have gone by then
		}
		require.Equal(w.t, store.Active, w.watch().State)
	})
}
