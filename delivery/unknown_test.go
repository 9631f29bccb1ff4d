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

// lostAnswer makes the first send arrive without its answer.
func lostAnswer() func(context.Context, *place, notifier.Message) error {
	var sends tally
	return func(context.Context, *place, notifier.Message) error {
		if sends.note() > 1 {
			return nil
		}
		return errors.New("connection reset") // no verdict at all: unknown
	}
}

func TestAnUnknownOutcomeIsLookedUpBeforeAnythingIsSentAgain(t *testing.T) {
	s := &service{after: lostAnswer()}
	run(t, lookable{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(10 * time.Second)
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.Equal(b.t, notifier.Receipt{"ts": "looked"}, d.Receipt)
		require.Equal(b.t, 1, d.Attempts, "a look is no send")
		require.False(b.t, d.Double)
		require.Len(b.t, s.sent(), 1)
	})
}

func TestWhatDidNotArriveIsSentAgain(t *testing.T) {
	s := &service{send: lostAnswer()}
	run(t, lookable{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(10 * time.Second)
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.Equal(b.t, 2, d.Attempts)
		require.True(b.t, d.Double, "it may arrive still")
		require.Len(b.t, s.sent(), 1)
	})
}

// TestWhatDidNotArriveForLongIsNoDouble: the service cannot be asked for a while.
func TestWhatDidNotArriveForLongIsNoDouble(t *testing.T) {
	s := &service{send: lostAnswer(), look: notifier.Retry.Errorf("busy")}
	run(t, lookable{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(time.Minute)
		s.mu.Lock()
		s.look = nil
		s.mu.Unlock()
		b.pass(2 * time.Minute)
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.Equal(b.t, 2, d.Attempts)
		require.False(b.t, d.Double)
	})
}

// TestAMessageThatLandsLateComesOnce, or it is recorded that it may have come twice.
func TestAMessageThatLandsLateComesOnce(t *testing.T) {
	for late, times := range map[time.Duration]int{3 * time.Second: 1, 10 * time.Second: 2} {
		t.Run(late.String(), func(t *testing.T) {
			var sends tally
			s := &service{}
			s.send = func(ctx context.Context, _ *place, m notifier.Message) error {
				if sends.note() > 1 {
					return nil
				}
				<-ctx.Done()
				time.AfterFunc(late, func() { s.lands(m.Key) })
				return notifier.Unknown.Errorf("no answer")
			}
			run(t, lookable{s}, func(b *bench) {
				b.start()
				ids := b.add("w1", "#a")
				b.pass(time.Minute)
				d := b.get(ids[0])
				require.Equal(b.t, store.Delivered, d.State)
				require.Equal(b.t, times, s.times(ids[0]))
				require.Equal(b.t, times == 2, d.Double)
			})
		})
	}
}

// TestWhatLandsAfterARestartComesOnce: the process was killed while the service had the message.
func TestWhatLandsAfterARestartComesOnce(t *testing.T) {
	s := &service{}
	run(t, lookable{s}, func(b *bench) {
		ids := b.add("w1", "#a")
		_, err := b.store.Begin(b.t.Context(), ids[0], 0, time.Now().UTC(), nil)
		require.NoError(b.t, err)
		b.start()
		time.AfterFunc(3*time.Second, func() { s.lands(ids[0]) })
		b.pass(5 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, 1, s.times(ids[0]))
		require.Empty(b.t, s.sent())
	})
}

func TestALookThatFailsHoldsTheSendBack(t *testing.T) {
	s := &service{after: lostAnswer(), look: notifier.Retry.Errorf("busy")}
	run(t, lookable{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(time.Minute)
		require.Equal(b.t, store.Pending, b.get(ids[0]).State)
		require.Len(b.t, s.sent(), 1)
		require.Contains(b.t, b.get(ids[0]).LastError, "busy")
		s.mu.Lock()
		s.look = nil
		s.mu.Unlock()
		b.pass(2 * time.Minute)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Len(b.t, s.sent(), 1)
	})
}

// blind are services whose first answer is lost, and of which nobody can find out what became of the message.
func blind() map[string]notifier.BaseNotifier {
	return map[string]notifier.BaseNotifier{
		"look impossible": lookable{&service{after: lostAnswer(), look: fmt.Errorf("missing_scope: %w", notifier.ErrLookImpossible)}},
		"no look":         &service{after: lostAnswer()},
	}
}

func TestWhereNobodyCanLookTheMessageGoesAgainAndSaysSo(t *testing.T) {
	for name, n := range blind() {
		t.Run(name, func(t *testing.T) {
			run(t, n, func(b *bench) {
				b.start()
				ids := b.add("w1", "#a")
				b.pass(10 * time.Second)
				d := b.get(ids[0])
				require.Equal(b.t, store.Delivered, d.State)
				require.Equal(b.t, 2, d.Attempts)
				require.True(b.t, d.Double)
			})
		})
	}
}

// TestWhatWasSentOnceIsNoDouble: nobody knows whether it arrived, and yet it cannot come twice.
func TestWhatWasSentOnceIsNoDouble(t *testing.T) {
	for name, n := range blind() {
		t.Run(name, func(t *testing.T) {
			run(t, n, func(b *bench) {
				b.config.MaxAttempts = 1
				b.start()
				ids := b.add("w1", "#a")
				b.pass(10 * time.Second)
				d := b.get(ids[0])
				require.Equal(b.t, store.Dead, d.State)
				require.Equal(b.t, 1, d.Attempts)
				require.False(b.t, d.Double)
				_, err := b.store.Redrive(b.t.Context(), ids, time.Now().UTC())
				require.NoError(b.t, err)
				b.pass(10 * time.Second)
				d = b.get(ids[0])
				require.Equal(b.t, store.Delivered, d.State)
				require.True(b.t, d.Double, "it was sent again, in the end")
			})
		})
	}
}

// telling is the config of a connection whose service tells copies of a message by its key.
type telling bool

func (t telling) Idempotent() bool { return bool(t) }

func TestWhereTheServiceTellsCopiesTheMessageGoesAgainAndIsNoDouble(t *testing.T) {
	run(t, &service{after: lostAnswer()}, func(b *bench) {
		b.conns[0].Config = telling(true)
		b.start()
		ids := b.add("w1", "#a")
		b.pass(10 * time.Second)
		d := b.get(ids[0])
		require.Equal(b.t, store.Delivered, d.State)
		require.Equal(b.t, 2, d.Attempts)
		require.False(b.t, d.Double)
	})
}

func TestAnUnknownOutcomeIsLookedUpEvenWhenNoSendIsLeft(t *testing.T) {
	for name, arrives := range map[string]bool{"arrived": true, "did not": false} {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			if arrives {
				s.after = lostAnswer()
			} else {
				s.send = lostAnswer()
			}
			run(t, lookable{s}, func(b *bench) {
				b.config.MaxAttempts = 1
				b.start()
				ids := b.add("w1", "#a")
				b.pass(10 * time.Second)
				want := store.Dead
				if arrives {
					want = store.Delivered
				}
				require.Equal(b.t, want, b.get(ids[0]).State)
				require.Equal(b.t, 1, b.get(ids[0]).Attempts)
			})
		})
	}
}

func TestAnAttemptThatAKilledProcessLeftOpenIsLookedUp(t *testing.T) {
	for name, arrived := range map[string]bool{"arrived": true, "did not": false} {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			run(t, lookable{s}, func(b *bench) {
				ids := b.add("w1", "#a")
				wait, err := b.store.Begin(b.t.Context(), ids[0], 0, time.Now().UTC(), nil)
				require.NoError(b.t, err)
				require.Zero(b.t, wait)
				if arrived {
					_, err := s.Send(b.t.Context(), &place{Channel: "#a"}, notifier.Message{Key: ids[0]})
					require.NoError(b.t, err)
				}
				b.start() // the process that was killed comes back, or another has its job
				if b.queue != nil {
					b.pass(34 * time.Second)
					require.Empty(b.t, b.get(ids[0]).SettledAt, "the attempt may be under way at another server")
				}
				b.pass(5 * time.Second)
				require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
				require.Len(b.t, s.sent(), 1)
				require.Equal(b.t, 1, s.looks)
			})
		})
	}
}

func TestAPanicIsAnUnknownOutcome(t *testing.T) {
	var sends tally
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		if sends.note() == 1 {
			panic("nil map")
		}
		return nil
	}}
	run(t, lookable{s}, func(b *bench) {
		b.start()
		ids := b.add("w1", "#a")
		b.pass(10 * time.Second)
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, 1, s.looks)
	})
}

func TestStoppingFinishesWhatIsInFlight(t *testing.T) {
	release := make(chan struct{})
	s := &service{}
	run(t, s, func(b *bench) {
		release = make(chan struct{})
		s.after = func(context.Context, *place, notifier.Message) error { <-release; return nil }
		b.start()
		ids := b.add("w1", "#a", "#a")
		synctest.Wait()
		time.AfterFunc(3*time.Second, func() { close(release) })
		begin := time.Now()
		b.halt()
		require.Equal(b.t, 3*time.Second, time.Since(begin))
		require.Equal(b.t, store.Delivered, b.get(ids[0]).State)
		require.Equal(b.t, store.Pending, b.get(ids[1]).State, "nothing new begins")
		require.Zero(b.t, b.get(ids[1]).Attempts)
	})
}

func TestStoppingDoesNotWaitForAHangingService(t *testing.T) {
	s := &service{send: func(ctx context.Context, _ *place, _ notifier.Message) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	run(t, s, func(b *bench) {
		b.config.Timeout = time.Minute
		b.start()
		ids := b.add("w1", "#a")
		synctest.Wait()
		begin := time.Now()
		b.halt()
		require.LessOrEqual(b.t, time.Since(begin), 10*time.Second)
		d := b.get(ids[0])
		require.Equal(b.t, store.Pending, d.State)
		require.False(b.t, d.OpenedAt.IsZero() && d.UnknownAt.IsZero(), "its outcome is unknown, whoever finds it")
	})
}
