package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const acknowledged = "acknowledged by ada"

// over says of deliveries that they are not to be sent any more.
func (b *bench) over(ids ...string) {
	b.t.Helper()
	require.NoError(b.t, b.store.Write(b.t.Context(), store.Change{At: time.Now().UTC(), Superseded: ids, Why: acknowledged}))
}

// hangsOnce is a service whose first call comes to an end after ten seconds: with this error, and after the message
// arrived or not. Then it is well.
func hangsOnce(err error, arrives bool) *service {
	var sends tally
	hang := func(context.Context, *place, notifier.Message) error {
		if sends.note() > 1 {
			return nil
		}
		<-time.After(10 * time.Second)
		return err
	}
	if arrives {
		return &service{after: hang}
	}
	return &service{send: hang}
}

// whileOpen makes a delivery over while its first call hangs, and another that waits for it not, and lets a minute
// pass.
func (b *bench) whileOpen() (over, next store.Delivery) {
	b.t.Helper()
	b.start()
	ids := b.add("w1", "#a", "#a")
	b.pass(5 * time.Second)
	require.NotZero(b.t, b.get(ids[0]).OpenedAt)
	b.over(ids[0])
	require.Equal(b.t, store.Pending, b.get(ids[0]).State, "nobody knows yet what becomes of it")
	b.pass(time.Minute)
	return b.get(ids[0]), b.get(ids[1])
}

func TestWhatIsOverIsNotSentAgain(t *testing.T) {
	reset, busy := errors.New("connection reset"), notifier.Retry.Errorf("503")
	unable := hangsOnce(reset, true)
	unable.look = fmt.Errorf("missing_scope: %w", notifier.ErrLookImpossible)
	for name, n := range map[string]notifier.BaseNotifier{
		"it failed":                            hangsOnce(busy, false),
		"it failed, and could be looked up":    lookable{hangsOnce(busy, false)},
		"the service wants to be left alone":   hangsOnce(notifier.RetryAfter(20*time.Second, busy), false),
		"nobody knows, and it did not arrive":  lookable{hangsOnce(reset, false)},
		"nobody knows, and nobody looks":       hangsOnce(reset, true),
		"nobody knows, and nobody may look up": lookable{unable},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, n, func(b *bench) {
				d, next := b.whileOpen()
				require.Equal(b.t, store.Superseded, d.State)
				require.Equal(b.t, acknowledged, d.LastError)
				require.Equal(b.t, 1, d.Attempts)
				require.False(b.t, d.Double)
				require.Equal(b.t, store.Delivered, next.State, "it waited for the other one only")
				line, err := b.store.Events(b.t.Context(), "w1", 0, 100)
				require.NoError(b.t, err)
				require.Equal(b.t, []string{store.EventRegistered, "retry", store.EventSuperseded, "delivered"}, kinds(line))
				require.Contains(b.t, line[2].Text, "not sent: "+acknowledged)
			})
		})
	}
}

func kinds(line []store.Event) (all []string) {
	for _, e := range line {
		all = append(all, e.Kind)
	}
	return all
}

func TestWhatIsOverMayHaveArrived(t *testing.T) {
	for name, err := range map[string]error{"and the service said so": nil, "and is found": errors.New("connection reset")} {
		t.Run(name, func(t *testing.T) {
			s := hangsOnce(err, true)
			run(t, lookable{s}, func(b *bench) {
				d, next := b.whileOpen()
				require.Equal(b.t, store.Delivered, d.State)
				require.NotEmpty(b.t, d.Receipt)
				require.Equal(b.t, 1, s.times(d.ID))
				require.Equal(b.t, store.Delivered, next.State)
			})
		})
	}
}

func TestWhatIsOverIsLookedUpAfterAKill(t *testing.T) {
	for name, arrived := range map[string]bool{"arrived": true, "did not": false} {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			run(t, lookable{s}, func(b *bench) {
				ids := b.add("w1", "#a")
				_, err := b.store.Begin(b.t.Context(), ids[0], 0, time.Now().UTC(), nil)
				require.NoError(b.t, err)
				want := store.Superseded
				if arrived {
					want = store.Delivered
					_, err := s.Send(b.t.Context(), &place{Channel: "#a"}, notifier.Message{Key: ids[0]})
					require.NoError(b.t, err)
				}
				b.over(ids[0])
				b.start()
				b.pass(time.Minute)
				require.Equal(b.t, want, b.get(ids[0]).State)
				require.Equal(b.t, arrived, s.times(ids[0]) == 1)
				require.Equal(b.t, 1, s.asked())
			})
		})
	}
}

// TestWhatIsOverIsGivenUpQuietly: where it never is found out whether it arrived, nobody is told of a dead delivery.
func TestWhatIsOverIsGivenUpQuietly(t *testing.T) {
	s := hangsOnce(errors.New("connection reset"), true)
	s.look = notifier.Retry.Errorf("busy")
	run(t, lookable{s}, func(b *bench) {
		b.config.MaxAge = 3 * time.Minute
		b.start()
		ids := b.add("w1", "#a")
		b.pass(5 * time.Second)
		b.over(ids[0])
		b.pass(time.Minute)
		require.Equal(b.t, store.Pending, b.get(ids[0]).State, "it may be found yet")
		b.pass(5 * time.Minute)
		d := b.get(ids[0])
		require.Equal(b.t, store.Superseded, d.State)
		require.Equal(b.t, acknowledged, d.LastError)
		require.Equal(b.t, 1, s.times(ids[0]))
	})
}

// TestWhatIsOverIsNotSilenced: a redrive of what was silenced shall not bring it back.
func TestWhatIsOverIsNotSilenced(t *testing.T) {
	run(t, hangsOnce(notifier.Retry.Errorf("503"), false), func(b *bench) {
		b.start()
		ids := b.add("w1", "#a", "#a")
		b.pass(5 * time.Second)
		b.over(ids[0])
		b.silence(time.Hour)
		b.pass(time.Minute)
		require.Equal(b.t, []store.DeliveryState{store.Superseded, store.Silenced}, b.states(ids))
	})
}

func TestWhatIsOverAndRedrivenIsSent(t *testing.T) {
	s := hangsOnce(notifier.Permanent.Errorf("channel_not_found"), false)
	run(t, s, func(b *bench) {
		d, _ := b.whileOpen()
		require.Equal(b.t, store.Dead, d.State, "the service refused it")
		_, err := b.store.Redrive(b.t.Context(), []string{d.ID}, time.Now().UTC())
		require.NoError(b.t, err)
		b.pass(5 * time.Second)
		synctest.Wait()
		require.Equal(b.t, store.Delivered, b.get(d.ID).State)
	})
}
