package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// backlog stores deliveries for each of many channels.
func (b *bench) backlog(channels, each int) {
	all := make([]string, channels)
	for i := range all {
		all[i] = fmt.Sprint("#busy", i)
	}
	for i := range each {
		b.add(fmt.Sprint("backlog", i), all...)
	}
}

// atOnce sends messages to a channel that nothing was sent to before, and sees them delivered at once.
func (b *bench) atOnce(channel string, n int) {
	b.t.Helper()
	begin := time.Now()
	var ids []string
	for i := range n {
		ids = append(ids, b.add(fmt.Sprint(channel, i), channel)...)
	}
	synctest.Wait()
	for _, id := range ids {
		d := b.get(id)
		require.Equal(b.t, store.Delivered, d.State, "%s after %s", channel, time.Since(begin))
		require.Equal(b.t, begin.UTC(), d.SettledAt)
	}
}

// hangs is a service that never answers in channels of that prefix.
func hangs(prefix string, under *atomic.Int32) *service {
	return &service{send: func(ctx context.Context, p *place, _ notifier.Message) error {
		if !strings.HasPrefix(p.Channel, prefix) {
			return nil
		}
		under.Add(1)
		defer under.Add(-1)
		<-ctx.Done()
		return notifier.Retry.Errorf("hangs")
	}}
}

// aQuietLaneWaitsForNoBusyOne has backlogs that wait for their rates.
func aQuietLaneWaitsForNoBusyOne(t *testing.T) {
	const lanes, each = 60, 25
	var under atomic.Int32
	s := hangs("#hang", &under)
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{PerSecond: 1, Burst: 1}
		b.backlog(lanes, each)
		b.start()
		synctest.Wait()
		b.atOnce("#quiet0", 1)
		for i := range 40 {
			b.add(fmt.Sprint("h", i), "#hang")
		}
		for i := range 20 {
			b.pass(1100 * time.Millisecond)
			b.atOnce(fmt.Sprint("#quiet", i+1), 1)
		}
		require.Positive(b.t, under.Load())
		require.GreaterOrEqual(b.t, len(s.sent()), 19*lanes, "each lane uses its rate")
		b.pass(10 * time.Second)
		require.Len(b.t, s.sent(), lanes*each+21)
	})
}

// aQuietLaneWaitsForNoHangingOne hangs in more lanes than fill the places of their connection.
func aQuietLaneWaitsForNoHangingOne(t *testing.T) {
	var under atomic.Int32
	s := hangs("#busy", &under)
	run(t, s, func(b *bench) {
		b.backlog(12, 18)
		b.start()
		b.pass(5 * time.Second)
		require.GreaterOrEqual(b.t, under.Load(), int32(128))
		for i := range 5 {
			b.atOnce(fmt.Sprint("#quiet", i), 1)
			ids := b.add(fmt.Sprint("more", i), "#quiet", "#quiet")
			ids = append(ids, b.add(fmt.Sprint("others", i), "#quiet")...)
			b.pass(2 * time.Second)
			for _, id := range ids {
				require.Equal(b.t, store.Delivered, b.get(id).State)
			}
		}
	})
}
