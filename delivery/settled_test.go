package delivery_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestTheOutboxTellsOfWhatItSettles: of what arrived and of what died, but of no try between.
func TestTheOutboxTellsOfWhatItSettles(t *testing.T) {
	var calls tally
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		switch calls.note() {
		case 1:
			return notifier.Retry.Errorf("busy")
		case 2:
			return nil
		}
		return notifier.Permanent.Errorf("channel_not_found")
	}
	run(t, s, func(b *bench) {
		var mu sync.Mutex
		told := map[string][]store.DeliveryState{}
		b.settled = func(d store.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			told[d.ID] = append(told[d.ID], d.State)
		}
		b.start()
		arrives := b.add("w1", "#a")
		b.pass(10 * time.Second)
		dies := b.add("w2", "#a")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.Equal(b.t, map[string][]store.DeliveryState{arrives[0]: {store.Delivered}, dies[0]: {store.Dead}}, told)
	})
}
