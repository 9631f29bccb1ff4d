package executor

import "github.com/prometheus/client_golang/prometheus"

// Registerer is where metrics are registered.
type Registerer = prometheus.Registerer

type metrics struct {
	occurrences prometheus.Counter
	ruleErrors  prometheus.Counter
}

func newMetrics(r Registerer) *metrics {
	m := &metrics{
		occurrences: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flyte_notifier_occurrences_total", Help: "Rules that fired.",
		}),
		ruleErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flyte_notifier_rule_errors_total", Help: "Rules whose if failed at run time.",
		}),
	}
	r.MustRegister(m.occurrences, m.ruleErrors)
	return m
}
