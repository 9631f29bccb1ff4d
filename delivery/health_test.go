package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// outage is a service that fails while it is down, and hangs for one channel while that does.
type outage struct {
	service
	down  atomic.Bool
	hangs atomic.Value // the channel
	tries tally
}

func newOutage() *outage {
	s := &outage{}
	s.hangs.Store("")
	s.send = func(ctx context.Context, p *place, _ notifier.Message) error {
		s.tries.note()
		if s.hangs.Load() == p.Channel {
			<-ctx.Done()
			return notifier.Unknown.Errorf("no answer")
		}
		if s.down.Load() {
			return notifier.Unavailable(notifier.Retry.Errorf("HTTP status 503"))
		}
		return nil
	}
	return s
}

func TestAServiceThatFailsIsProbedOnly(t *testing.T) {
	s := newOutage()
	run(t, s, func(b *bench) {
		b.config.MaxAttempts = 30
		metrics, logged := b.measured()
		s.down.Store(true)
		b.start()
		var ids []string
		for i := range 60 {
			ids = append(ids, b.add(fmt.Sprint("w", i), fmt.Sprint("#", i%6))...)
		}
		b.pass(10 * time.Minute)
		tries := s.tries.times()
		require.Less(b.t, len(tries), 100, "60 at first, for they begin together; then probes")
		late := 0
		for i, at := range tries {
			if time.Since(at) < 5*time.Minute {
				late++
				require.GreaterOrEqual(b.t, at.Sub(tries[i-1]), 29*time.Second)
			}
		}
		require.InDelta(b.t, 7, late, 4)
		require.Len(b.t, b.outbox.Failing(), 1)
		require.Contains(b.t, b.outbox.Failing()[0], "team: fails since 2000-01-01T00:00:00Z, its deliveries wait: HTTP status 503")
		require.InDelta(b.t, 1, openOf(b, metrics), 0)

		s.down.Store(false)
		b.pass(8 * time.Minute)
		for _, id := range ids {
			require.Equal(b.t, store.Delivered, b.get(id).State)
		}
		require.Empty(b.t, b.outbox.Failing())
		require.InDelta(b.t, 0, openOf(b, metrics), 0)
		require.Equal(b.t, 1, strings.Count(logged.String(), "service fails"))
		require.Equal(b.t, 1, strings.Count(logged.String(), "service answers again"))
	})
}

func TestWhatComesDuringAnOutageBurnsNoAttemptAndGoesAtItsEnd(t *testing.T) {
	s := newOutage()
	run(t, s, func(b *bench) {
		b.config.MaxAttempts = 20
		s.down.Store(true)
		b.start()
		b.add("w1", "#a")
		b.pass(2 * time.Minute)
		var ids []string
		for i := range 40 {
			ids = append(ids, b.add(fmt.Sprint("v", i), "#a")...)
		}
		b.pass(10 * time.Minute)
		burnt := 0
		for _, id := range ids {
			require.Equal(b.t, store.Pending, b.get(id).State)
			burnt += b.get(id).Attempts
		}
		require.LessOrEqual(b.t, burnt, 25, "probes alone")
		s.down.Store(false)
		b.pass(90 * time.Second)
		arrived := 0
		for _, id := range ids {
			if b.get(id).State == store.Delivered {
				arrived++
			}
		}
		require.GreaterOrEqual(b.t, arrived, 15, "those that were not probes go at once")
		b.pass(6 * time.Minute)
		for _, id := range ids {
			require.Equal(b.t, store.Delivered, b.get(id).State)
		}
	})
}

func TestTheOldDieDuringAnOutage(t *testing.T) {
	long(t)
	s := newOutage()
	run(t, s, func(b *bench) {
		b.config.MaxAge = time.Hour
		s.down.Store(true)
		b.start()
		var ids []string
		for i := range 30 {
			ids = append(ids, b.add(fmt.Sprint("w", i), "#a")...)
		}
		b.pass(70 * time.Minute)
		for _, id := range ids {
			d := b.get(id)
			require.Equal(b.t, store.Dead, d.State)
			require.Contains(b.t, d.LastError, "HTTP status 503")
		}
	})
}

func TestAChannelThatHangsAloneHoldsUpNoOther(t *testing.T) {
	long(t)
	s := newOutage()
	run(t, s, func(b *bench) {
		s.hangs.Store("#hang")
		b.start()
		for i := range 100 {
			b.add(fmt.Sprint("h", i), "#hang")
		}
		for i := range 20 {
			b.pass(time.Minute)
			ok := b.add(fmt.Sprint("w", i), "#a")
			synctest.Wait()
			if b.queue != nil {
				b.pass(time.Second)
			}
			require.Equal(b.t, store.Delivered, b.get(ok[0]).State)
		}
		require.Less(b.t, s.tries.count(), 100, "the channel itself is probed only")
	})
}

func TestADeadServiceDelaysNoOther(t *testing.T) {
	long(t)
	dead, well := newOutage(), newOutage()
	run(t, dead, func(b *bench) {
		b.conns = append(b.conns, &notifier.Connection{Name: "other", Kind: "chat", Notifier: well})
		dead.down.Store(true)
		b.start()
		for i := range 200 {
			b.add(fmt.Sprint("w", i), fmt.Sprint("#", i%20))
		}
		for i := range 10 {
			b.pass(20 * time.Second)
			d := b.addTo("other", fmt.Sprint("v", i), "#a")[0]
			b.pass(time.Second)
			require.Equal(b.t, store.Delivered, b.get(d).State)
			require.Less(b.t, b.get(d).SettledAt.Sub(b.get(d).CreatedAt), time.Second)
		}
	})
}

func TestRefusalsAndRateLimitsAreAnswers(t *testing.T) {
	var n tally
	s := &service{}
	s.send = func(context.Context, *place, notifier.Message) error {
		if n.note()%2 == 0 {
			return notifier.Permanent.Errorf("invalid_auth")
		}
		return notifier.Retry.Errorf("HTTP status 429")
	}
	run(t, s, func(b *bench) {
		b.start()
		for i := range 50 {
			b.add(fmt.Sprint("w", i), "#a")
		}
		b.pass(10 * time.Second)
		require.Empty(b.t, b.outbox.Failing())
		require.GreaterOrEqual(b.t, n.count(), 50)
	})
}

func TestAReloadTriesAServiceThatFailedAtOnce(t *testing.T) {
	s := newOutage()
	run(t, s, func(b *bench) {
		s.down.Store(true)
		b.start()
		b.add("w1", "#a")
		b.pass(10 * time.Minute)
		for i := range 2 { // until it is no fault of a message
			b.add(fmt.Sprint("v", i), "#a")
			synctest.Wait()
		}
		id := b.add("w3", "#a")
		synctest.Wait()
		require.Equal(b.t, store.Pending, b.get(id[0]).State)
		s.down.Store(false)
		b.outbox.Reload(notifier.NewConnections(b.conns, nil), b.config)
		require.Empty(b.t, b.outbox.Failing())
		if b.queue == nil {
			synctest.Wait()
			require.Equal(b.t, store.Delivered, b.get(id[0]).State)
		}
	})
}

// measured has the outboxes that are started from now on measured and logged.
func (b *bench) measured() (*prometheus.Registry, *bytes.Buffer) {
	var logged bytes.Buffer
	b.metrics = prometheus.NewRegistry()
	b.log = slog.New(slog.NewTextHandler(&logged, nil))
	return b.metrics, &logged
}

// openOf is the metric of the connection.
func openOf(b *bench, metrics *prometheus.Registry) float64 {
	b.t.Helper()
	all, err := metrics.Gather()
	require.NoError(b.t, err)
	for _, m := range all {
		if m.GetName() == "flyte_notifier_connection_open" {
			require.Len(b.t, m.GetMetric(), 1)
			require.Equal(b.t, "team", m.GetMetric()[0].GetLabel()[0].GetValue())
			return m.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(b.t, "no metric")
	return 0
}
