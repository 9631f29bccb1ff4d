package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// addFor stores a delivery of a project's execution to a channel.
func (b *bench) addFor(project, channel string) string {
	b.n++
	id := fmt.Sprint("d", b.n)
	w, err := b.store.Register(b.t.Context(), store.Watch{
		ID: id, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC(),
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: project, Domain: "production"}, Name: id},
	})
	require.NoError(b.t, err)
	d := b.delivery(w, id, channel)
	require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	if b.outbox != nil {
		b.outbox.Wake()
	}
	return id
}

// delivered is how many of them are.
func (b *bench) delivered(ids []string) (n int) {
	for _, s := range b.states(ids) {
		if s == store.Delivered {
			n++
		}
	}
	return n
}

// TestABacklogIsNotOvertakenForARateOfTheWholeConnection: many lanes wait for its tokens, and newcomers come as fast.
func TestABacklogIsNotOvertakenForARateOfTheWholeConnection(t *testing.T) {
	for newcomers, seconds := range map[string]int{"ml": 52, "other": 102} { // of another project they take turns with it
		t.Run(newcomers, func(t *testing.T) {
			run(t, &service{}, func(b *bench) {
				b.conns[0].Rate = notifier.Rate{TotalPerSecond: 1}
				var old []string
				for i := range 50 {
					old = append(old, b.addFor("ml", fmt.Sprintf("old%d@example.org", i)))
				}
				b.start()
				b.pass(500 * time.Millisecond)
				var young []string
				for i := range seconds {
					young = append(young, b.addFor(newcomers, fmt.Sprintf("new%d@example.org", i)))
					b.pass(time.Second)
				}
				require.Equal(b.t, len(old), b.delivered(old))
				require.InDelta(b.t, seconds, len(old)+b.delivered(young), 2, "no token is left over")
			})
		})
	}
}

func TestProjectsTakeTurnsForARateOfTheWholeConnection(t *testing.T) {
	run(t, &service{}, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{TotalPerSecond: 1}
		for i := range 200 {
			b.addFor("noisy", fmt.Sprintf("n%d@example.org", i))
		}
		var quiet []string
		for i := range 10 {
			quiet = append(quiet, b.addFor("quiet", fmt.Sprintf("q%d@example.org", i)))
		}
		b.start()
		b.pass(21 * time.Second)
		require.Equal(b.t, 10, b.delivered(quiet))
	})
}

// TestLanesTakeTurnsForARateOfTheWholeConnection: of lanes of one project the oldest message goes first, and then one of
// each lane.
func TestLanesTakeTurnsForARateOfTheWholeConnection(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{TotalPerSecond: 0.1}
		b.start()
		b.addFor("ml", "#first")
		b.pass(time.Second)
		for range 20 {
			b.addFor("ml", "#many")
		}
		for i := range 5 {
			b.pass(time.Second)
			b.addFor("ml", fmt.Sprint("#few", i))
		}
		b.pass(90 * time.Second)
		var to []string
		for _, p := range s.sent() {
			to = append(to, p.channel)
		}
		require.Equal(b.t, []string{"#first", "#many", "#few0", "#few1", "#few2", "#few3", "#few4", "#many", "#many"}, to[:9])
	})
}

// TestALaneThatHasToWaitHoldsUpNoOther: for its own rate, or because its service wants a pause.
func TestALaneThatHasToWaitHoldsUpNoOther(t *testing.T) {
	s := &service{send: func(_ context.Context, p *place, _ notifier.Message) error {
		if p.Channel == "#held" {
			return notifier.RetryAfter(time.Hour, fmt.Errorf("429"))
		}
		return nil
	}}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{PerSecond: 0.1, Burst: 1, TotalPerSecond: 1}
		for range 10 {
			b.addFor("ml", "#slow")
			b.addFor("ml", "#held")
		}
		b.start()
		b.pass(2 * time.Second)
		var ids []string
		for i := range 25 {
			ids = append(ids, b.addFor("ml", fmt.Sprint("#", i)))
		}
		b.pass(29 * time.Second)
		require.Equal(b.t, 25, b.delivered(ids))
		slow := 0
		for _, p := range s.sent() {
			slow += strings.Count(p.channel, "#slow")
		}
		require.GreaterOrEqual(b.t, slow, 3, "it has its own rate")
	})
}
