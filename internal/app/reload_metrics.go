package app

import "github.com/prometheus/client_golang/prometheus"

// reloadMetrics tell whether the config file is what the server goes by, under the names that Prometheus and
// Alertmanager have for it.
type reloadMetrics struct {
	successful, at prometheus.Gauge
	restart        *prometheus.GaugeVec
	broken         prometheus.Gauge
}

func newReloadMetrics(r prometheus.Registerer) *reloadMetrics {
	m := &reloadMetrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flyte_notifier_config_last_reload_successful", Help: "Whether the config file could be taken up when it was read last.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flyte_notifier_config_last_reload_success_timestamp_seconds", Help: "When the config file was read last and taken up.",
		}),
		restart: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flyte_notifier_config_restart_needed", Help: "1 for each key of the config file that was changed and needs a restart.",
		}, []string{"key"}),
		broken: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flyte_notifier_subscription_problems", Help: "What is wrong with rules of subscriptions, which are left out while all others run.",
		}),
	}
	r.MustRegister(m.successful, m.at, m.restart, m.broken)
	m.taken(nil, 0)
	return m
}

// taken notes that the config was taken up, but for some keys and broken rules.
func (m *reloadMetrics) taken(restart []string, broken int) {
	m.broken.Set(float64(broken))
	m.successful.Set(1)
	m.at.SetToCurrentTime()
	m.restart.Reset()
	for _, key := range restart {
		m.restart.WithLabelValues(key).Set(1)
	}
}

func (m *reloadMetrics) refused() { m.successful.Set(0) }
