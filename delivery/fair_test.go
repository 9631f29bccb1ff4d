package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestANoisyProjectStarvesNoOther has hundreds of messages of one project wait for a channel that takes one a second.
func TestANoisyProjectStarvesNoOther(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{PerSecond: 1, Burst: 1}
		b.start()
		for i := range 300 {
			b.addOf("noisy", fmt.Sprint("n", i))
		}
		b.pass(time.Minute)
		quiet := b.addOf("quiet", "q")
		b.pass(20 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(quiet).State, "behind those that are under way already, and no more")
		var others []string
		for i := range 20 {
			others = append(others, b.addOf("quiet", fmt.Sprint("p", i)))
		}
		b.pass(70 * time.Second)
		for _, id := range others {
			require.Equal(b.t, store.Delivered, b.get(id).State, "every second one at least")
		}
	})
}

// addOf stores a delivery of some project.
func (b *bench) addOf(project, watch string) string {
	w, err := b.store.Register(b.t.Context(), store.Watch{
		ID: watch, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC(),
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: project, Domain: "production"}, Name: watch},
	})
	require.NoError(b.t, err)
	d := b.delivery(w, "d-"+watch, "#ops")
	require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	b.outbox.Wake()
	return d.ID
}
