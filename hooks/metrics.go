package hooks

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Why news are not recorded.
const (
	repeated = "repeated" // they were
	foreign  = "foreign"  // about a delivery that is not there, or another connection's
	overflow = "overflow" // too many of one delivery
)

type metrics struct {
	requests, events, ignored *prometheus.CounterVec
}

// newMetrics registers the metrics, all of which begin at 0.
func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help, label string, values ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "flyte_notifier_hook_" + name, Help: help}, []string{label})
		for _, v := range values {
			c.WithLabelValues(v)
		}
		r.MustRegister(c)
		return c
	}
	var fates []string
	for _, f := range notifier.Fates() {
		fates = append(fates, string(f))
	}
	return &metrics{
		requests: counter("requests_total", "Calls to server.hooks by what they came to.", "result", results()...),
		events:   counter("events_total", "What services told of messages, once each.", "event", fates...),
		ignored:  counter("events_ignored_total", "What services told that was not recorded, by the reason.", "reason", repeated, foreign, overflow),
	}
}

func (m *metrics) count(b *batch) {
	for fate, n := range b.recorded {
		m.events.WithLabelValues(string(fate)).Add(float64(n))
	}
	for why, n := range b.ignored {
		m.ignored.WithLabelValues(why).Add(float64(n))
	}
}

// tell logs the messages that did not arrive. Whom they were for is on the timeline.
func (b *batch) tell(ctx context.Context, log *slog.Logger) {
	for _, l := range b.lost {
		log.WarnContext(ctx, "message did not arrive", "delivery", l.delivery.ID, "execution", l.delivery.Execution.String(),
			"notifier", l.delivery.Kind, "connection", l.delivery.Connection, "event", string(l.fate))
	}
}
