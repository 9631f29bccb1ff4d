package delivery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

type metrics struct {
	attempts         *prometheus.HistogramVec
	states           *prometheus.CounterVec
	templateFailures *prometheus.CounterVec
	limited          *prometheus.CounterVec
	holds            *prometheus.CounterVec
	open             *prometheus.GaugeVec
}

// newMetrics registers the metrics. Counters that alerts look at begin at 0: of one that appears as 1,
// Prometheus sees no increase.
func newMetrics(r prometheus.Registerer, kinds *notifier.Registry) *metrics {
	m := &metrics{
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flyte_notifier_attempt_duration_seconds", Help: "Duration of sends by notifier and verdict.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 10),
		}, []string{"notifier", "verdict"}),
		states: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flyte_notifier_deliveries_settled_total", Help: "Deliveries by notifier and the state they came to.",
		}, []string{"notifier", "state"}),
		templateFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flyte_notifier_template_failures_total", Help: "Messages sent in their default form because a template failed.",
		}, []string{"notifier"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flyte_notifier_rate_limited_total", Help: "Times that an attempt had to wait for a token of its rate, or for the end of a hold.",
		}, []string{"notifier"}),
		holds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flyte_notifier_holds_total", Help: "Answers of services that asked to be left alone for a while, such as 429.",
		}, []string{"notifier"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flyte_notifier_connection_open", Help: "1 while a connection's service fails, so that its deliveries wait and it is probed; else 0.",
		}, []string{"connection"}),
	}
	r.MustRegister(m.attempts, m.states, m.templateFailures, m.limited, m.holds, m.open)
	for _, k := range kinds.All() {
		for _, state := range []store.DeliveryState{store.Delivered, store.Dead, store.Silenced} {
			m.states.WithLabelValues(k.Kind, string(state))
		}
		m.templateFailures.WithLabelValues(k.Kind)
		m.limited.WithLabelValues(k.Kind)
		m.holds.WithLabelValues(k.Kind)
	}
	return m
}

func (m *metrics) attempt(kind string, err error, d time.Duration) {
	verdict, _ := notifier.VerdictOf(err)
	m.attempts.WithLabelValues(kind, string(verdict)).Observe(d.Seconds())
}

func (m *metrics) settled(kind string, s store.DeliveryState) {
	if s.Settled() {
		m.states.WithLabelValues(kind, string(s)).Inc()
	}
}
