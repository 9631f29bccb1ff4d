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

// projectsTakeTurnsAtServers is the same of a queue, with two servers.
func projectsTakeTurnsAtServers(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{PerSecond: 1, Burst: 1}
		for i := range 600 {
			b.addOf("noisy", fmt.Sprint("n", i))
		}
		b.start()
		b.start()
		b.pass(time.Minute)
		quiet := b.addOf("quiet", "q")
		b.pass(20 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(quiet).State)
		for i := range 20 {
			b.addOf("quiet", fmt.Sprint("p", i))
		}
		sent := len(s.sent())
		b.pass(2 * time.Minute)
		others := 0
		for _, p := range s.sent() {
			if p.title[:3] == "d-p" {
				others++
			}
		}
		require.Equal(b.t, 20, others)
		require.InDelta(b.t, 120, len(s.sent())-sent, 2, "no token is left over")
	})
}

// remindersComeLast has reminders wait when what is new comes, a message a second: as many as the channel takes.
func remindersComeLast(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{PerSecond: 1, Burst: 1}
		for i := range 100 {
			b.addTold("p", fmt.Sprint("r", i), 1)
		}
		b.start()
		b.pass(20 * time.Second)
		before := len(s.sent())
		for i := range 200 {
			b.addTold("p", fmt.Sprint("n", i), 0)
			b.pass(time.Second)
		}
		reminders, fresh := 0, 0
		for _, p := range s.sent()[before:] {
			if p.title[:3] == "d-r" {
				reminders++
			} else {
				fresh++
			}
		}
		b.t.Log(fresh, "new,", reminders, "reminders")
		require.Greater(b.t, fresh, 150)
		require.GreaterOrEqual(b.t, reminders, 15, "their share")
	})
}

func TestRemindersHaveAShare(t *testing.T) { remindersComeLast(t) }

// addOf stores a delivery of some project.
func (b *bench) addOf(project, watch string) string { return b.addTold(project, watch, 0) }

// addTold stores a delivery of some project that tells something for so many times before.
func (b *bench) addTold(project, watch string, before int) string {
	w, err := b.store.Register(b.t.Context(), store.Watch{
		ID: watch, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC(),
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: project, Domain: "production"}, Name: watch},
	})
	require.NoError(b.t, err)
	d := b.delivery(w, "d-"+watch, "#ops")
	d.Key = fmt.Sprintf("%s|r|phase:FAILED|%d|send[0]", watch, before)
	require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	if b.outbox != nil {
		b.outbox.Wake()
	}
	return d.ID
}
