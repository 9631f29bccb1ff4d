package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// inquiring adds exact names to a service with a look-up.
type inquiring struct{ lookable }

func (s inquiring) Resolve(_ context.Context, d notifier.Destination) (notifier.Resolved, error) {
	return s.names(d.(*place))
}

// TestQuestionsDoNotCloseWhatSendsOpened: the service is asked what became of messages, and answers, while it takes none.
func TestQuestionsDoNotCloseWhatSendsOpened(t *testing.T) {
	var tries tally
	s := &service{}
	s.send = func(ctx context.Context, _ *place, _ notifier.Message) error {
		tries.note()
		<-ctx.Done()
		return notifier.Unknown.Errorf("no answer")
	}
	s.names = func(p *place) (notifier.Resolved, error) { return notifier.Resolved{ID: p.Channel}, nil }
	run(t, inquiring{lookable{s}}, func(b *bench) {
		metrics, logged := b.measured()
		b.start()
		for i := range 60 {
			b.add(fmt.Sprint("w", i), fmt.Sprint("#", i%6))
		}
		b.pass(2 * time.Minute)
		began := tries.count()
		require.LessOrEqual(b.t, began, 70)
		require.InDelta(b.t, 1, openOf(b, metrics), 0)
		b.pass(20 * time.Minute)
		require.LessOrEqual(b.t, tries.count()-began, 30, "probes alone")
		require.Positive(b.t, s.asked())
		require.InDelta(b.t, 1, openOf(b, metrics), 0)
		require.NotContains(b.t, logged.String(), "service answers again")
	})
}

// TestNamesDoNotCloseWhatSendsOpened: the service knows its channels, and takes no message.
func TestNamesDoNotCloseWhatSendsOpened(t *testing.T) {
	var asked, tries tally
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		tries.note()
		return notifier.Unavailable(notifier.Retry.Errorf("HTTP status 503"))
	}
	s.names = func(p *place) (notifier.Resolved, error) {
		asked.note()
		return notifier.Resolved{ID: p.Channel}, nil
	}
	run(t, resolving{s}, func(b *bench) {
		metrics, logged := b.measured()
		b.start()
		for i := range 20 {
			b.add(fmt.Sprint("w", i), "#a")
		}
		b.pass(2 * time.Minute)
		before, began := asked.count(), tries.count()
		require.InDelta(b.t, 1, openOf(b, metrics), 0)
		for i := range 20 { // each asks for its channel before it is sent
			b.add(fmt.Sprint("v", i), fmt.Sprint("#b", i))
			b.pass(time.Minute)
			require.InDelta(b.t, 1, openOf(b, metrics), 0)
		}
		require.Greater(b.t, asked.count(), before)
		require.LessOrEqual(b.t, tries.count()-began, 50, "probes alone")
		require.NotContains(b.t, logged.String(), "service answers again")
	})
}

// TestQuestionsThatFailOpen: a service that cannot be asked is not sent to either.
func TestQuestionsThatFailOpen(t *testing.T) {
	var tries tally
	s := &service{}
	s.names = func(*place) (notifier.Resolved, error) {
		tries.note()
		return notifier.Resolved{}, notifier.Unavailable(notifier.Retry.Errorf("HTTP status 503"))
	}
	run(t, resolving{s}, func(b *bench) {
		b.start()
		for i := range 60 {
			b.add(fmt.Sprint("w", i), fmt.Sprint("#", i%6))
		}
		b.pass(10 * time.Minute)
		require.Len(b.t, b.outbox.Failing(), 1)
		require.Less(b.t, tries.count(), 100)
	})
}

// TestEachHostFailsByItself, where the destinations name it.
func TestEachHostFailsByItself(t *testing.T) {
	var dead tally
	s := &service{}
	s.send = func(_ context.Context, p *place, _ notifier.Message) error {
		if p.Host() == "dead" {
			dead.note()
			return notifier.Unavailable(notifier.Retry.Errorf("no such host"))
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		for i := range 60 {
			b.add(fmt.Sprint("w", i), fmt.Sprint("dead/", i%6))
		}
		for i := range 10 {
			b.pass(20 * time.Second)
			for _, channel := range []string{fmt.Sprint("well/", i), fmt.Sprint("#", i)} {
				d := b.add(fmt.Sprint(channel, i), channel)[0]
				b.pass(time.Second)
				require.Equal(b.t, store.Delivered, b.get(d).State)
			}
		}
		require.Len(b.t, b.outbox.Failing(), 1)
		require.Contains(b.t, b.outbox.Failing()[0], "team (dead): fails since ")
		require.Less(b.t, dead.count(), 90)
	})
}

// TestAServiceThatNobodyUsesAnyMoreIsForgotten: a host that a task mistyped fails for ever, but concerns nobody.
func TestAServiceThatNobodyUsesAnyMoreIsForgotten(t *testing.T) {
	s := newOutage()
	run(t, s, func(b *bench) {
		b.config.MaxAge = time.Hour
		metrics, logged := b.measured()
		s.down.Store(true)
		b.start()
		id := b.add("w1", "hoook/x")[0]
		b.pass(50 * time.Minute)
		require.Equal(b.t, store.Pending, b.get(id).State)
		require.InDelta(b.t, 1, openOf(b, metrics), 0, "it waits for it")
		require.Len(b.t, b.outbox.Failing(), 1)
		b.pass(21 * time.Minute)
		require.Equal(b.t, store.Dead, b.get(id).State)
		require.InDelta(b.t, 0, openOf(b, metrics), 0)
		require.Empty(b.t, b.outbox.Failing())
		require.Equal(b.t, 1, strings.Count(logged.String(), "nobody sends to it any more"))
		require.NotContains(b.t, logged.String(), "service answers again")

		b.add("w2", "hoook/x")
		b.pass(5 * time.Minute)
		require.InDelta(b.t, 1, openOf(b, metrics), 0, "it is found out again")
		s.down.Store(false)
		b.pass(10 * time.Minute)
		require.InDelta(b.t, 0, openOf(b, metrics), 0)
		require.Equal(b.t, 1, strings.Count(logged.String(), "service answers again"))
	})
}

// TestALongPauseIsNoDisuse: what the service itself put off comes back for it.
func TestALongPauseIsNoDisuse(t *testing.T) {
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		return notifier.Unavailable(notifier.RetryAfter(30*time.Minute, fmt.Errorf("HTTP status 503")))
	}
	run(t, s, func(b *bench) {
		metrics, _ := b.measured()
		b.start()
		for i := range 6 {
			b.add(fmt.Sprint("w", i), fmt.Sprint("#", i))
		}
		for range 9 {
			b.pass(10 * time.Minute)
			require.InDelta(b.t, 1, openOf(b, metrics), 0)
		}
	})
}

// TestLanesThatNobodyUsesDoNotCount: three channels failed once, and what failed was taken back. A fourth that hangs
// holds up nobody but itself.
func TestLanesThatNobodyUsesDoNotCount(t *testing.T) {
	s := newOutage()
	run(t, s, func(b *bench) {
		s.down.Store(true)
		b.start()
		ids := b.add("w1", "#1", "#2", "#3")
		synctest.Wait()
		b.over(ids...)
		b.pass(12 * time.Minute)
		s.down.Store(false)
		s.hangs.Store("#hang")
		for i := range 40 {
			b.add(fmt.Sprint("h", i), "#hang")
		}
		b.pass(20 * time.Second) // a probe hangs
		require.Len(b.t, b.outbox.Failing(), 1)
		ok := b.add("w2", "#a")[0]
		b.pass(time.Second)
		require.Equal(b.t, store.Delivered, b.get(ok).State)
	})
}

// TestOneMessageThatAlwaysFailsDelaysNoOther of its lane: it may be its own fault.
func TestOneMessageThatAlwaysFailsDelaysNoOther(t *testing.T) {
	var poison tally
	s := &service{}
	s.send = func(_ context.Context, _ *place, m notifier.Message) error {
		if m.Key == "d1" {
			poison.note()
			return notifier.Unavailable(notifier.Retry.Errorf("HTTP status 500"))
		}
		return nil
	}
	run(t, s, func(b *bench) {
		b.start()
		b.add("w1", "#a")
		for i := range 10 {
			b.pass(37 * time.Minute)
			ok := b.add(fmt.Sprint("v", i), "#a")[0]
			b.pass(time.Second)
			require.Equal(b.t, store.Delivered, b.get(ok).State)
		}
		require.Greater(b.t, poison.count(), 50)
	})
}
