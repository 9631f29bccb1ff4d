package delivery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestWhatHadNoPlaceToGoToHasNoneLater: its templates gave none, and are no destination themselves.
func TestWhatHadNoPlaceToGoToHasNoneLater(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.start()
		b.add("w")
		w, err := b.store.Watch(b.t.Context(), "w")
		require.NoError(b.t, err)
		d := b.delivery(w, "d1", "a")
		d.Destination, d.Address, d.State, d.SettledAt, d.LastError = nil, d.Kind, store.Dead, time.Now().UTC(), "to: required"
		require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
		_, err = b.store.Redrive(b.t.Context(), []string{"d1"}, time.Now().UTC())
		require.NoError(b.t, err)
		b.outbox.Inserted(nil)
		b.pass(time.Minute)
		require.Equal(b.t, store.Dead, b.get("d1").State)
		require.Equal(b.t, "there is no place to send it to: the templates of its destination gave none", b.get("d1").LastError)
		require.Zero(b.t, b.get("d1").Attempts, "nobody was called")
	})
}
