package executor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Registerer is where metrics are registered.
type Registerer = prometheus.Registerer

type metrics struct {
	occurrences prometheus.Counter
	ruleErrors  prometheus.Counter
	lag         prometheus.Histogram
}

func newMetrics(r Registerer) *metrics {
	m := &metrics{
		occurrences: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flyte_notifier_occurrences_total", Help: "Rules that fired.",
		}),
		ruleErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flyte_notifier_rule_errors_total", Help: "Rules that failed at run time: their if, or that they cannot be read.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "flyte_notifier_detection_lag_seconds",
			Help:    "From the time that flyteadmin gives for a phase to its record in the store. Starts and ends only: of other phases it gives no time.",
			Buckets: []float64{.1, .25, .5, 1, 1.5, 2, 2.5, 3, 4, 5, 10, 30, 60, 300, 1800},
		}),
	}
	r.MustRegister(m.occurrences, m.ruleErrors, m.lag)
	return m
}

// detected counts how late a phase was recorded. A watch's first phase was entered before anybody
// was to watch, and one that went back has the times of the first time: neither says anything.
func (m *metrics) detected(before store.Watch, f Facts, now time.Time) {
	if at := f.since(before.Phase); before.Phase != "" && before.State == store.Active && !at.IsZero() {
		m.lag.Observe(max(0, now.Sub(at).Seconds())) // clocks differ
	}
}

// failed counts the rules that a stored transition tells of as failed: one that lost a race is judged anew.
func (m *metrics) failed(t store.Transition) {
	m.ruleErrors.Add(float64(count(t.Events, eventError)))
}

// since is when the phase was entered from the one before, where flyteadmin tells.
func (f Facts) since(before string) time.Time {
	started, ended, terminal := f.Execution.StartedAt, f.Execution.EndedAt, flyte.Terminal
	if f.Node != nil {
		started, ended, terminal = f.Node.StartedAt, f.Node.EndedAt, flyte.NodeTerminal
	}
	switch phase := f.phase(); {
	case terminal(phase):
		return ended
	case phase == "RUNNING" && (before == notStarted || before == "QUEUED"):
		return started
	}
	return time.Time{}
}
