package app

import (
	"cmp"
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// gauges are the metrics that are read when somebody asks: what the store holds, and what the
// feeds have done.
type gauges struct {
	ledger store.Ledger
	stats  func() flyte.FeedStats

	watches, deliveries, age, calls, errors, finds, lag *prometheus.Desc
}

func newGauges(l store.Ledger, stats func() flyte.FeedStats) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("flyte_notifier_"+name, help, labels, nil)
	}
	return &gauges{
		ledger: l, stats: stats,
		watches:    desc("watches", "Watches by state.", "state"),
		deliveries: desc("deliveries", "Deliveries in the store by state.", "state"),
		age:        desc("queue_age_seconds", "How long the delivery that could be sent first has been due; 0 if none is."),
		calls:      desc("admin_list_calls_total", "List calls to flyteadmin."),
		errors:     desc("admin_list_errors_total", "List calls to flyteadmin that failed."),
		finds:      desc("sweep_finds_total", "Changes that only the sweep found."),
		lag:        desc("scope_failing_seconds", "How long the scope that fails longest has failed to be polled."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.watches, g.deliveries, g.age, g.calls, g.errors, g.finds, g.lag} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A store that fails shows as a failed scrape of its part.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	g.collectFeeds(ch)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	g.collectAge(ctx, ch)
	watches, deliveries, err := g.ledger.Counts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.watches, err)
		return
	}
	for _, s := range []store.WatchState{store.Active, store.Ended, store.Cancelled, store.Lost} {
		ch <- prometheus.MustNewConstMetric(g.watches, prometheus.GaugeValue, float64(watches[s]), string(s))
	}
	for _, s := range []store.DeliveryState{store.Pending, store.Held, store.Delivered, store.Dead, store.Superseded, store.Silenced} {
		ch <- prometheus.MustNewConstMetric(g.deliveries, prometheus.GaugeValue, float64(deliveries[s]), string(s))
	}
}

func (g *gauges) collectAge(ctx context.Context, ch chan<- prometheus.Metric) {
	now, age := time.Now(), 0.0
	oldest, err := g.ledger.OldestDue(ctx, now)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.age, err)
		return
	}
	if !oldest.IsZero() {
		age = now.Sub(oldest).Seconds()
	}
	ch <- prometheus.MustNewConstMetric(g.age, prometheus.GaugeValue, age)
}

func (g *gauges) collectFeeds(ch chan<- prometheus.Metric) {
	st := g.stats()
	ch <- prometheus.MustNewConstMetric(g.calls, prometheus.CounterValue, float64(st.Calls))
	ch <- prometheus.MustNewConstMetric(g.errors, prometheus.CounterValue, float64(st.Errors))
	ch <- prometheus.MustNewConstMetric(g.finds, prometheus.CounterValue, float64(st.SweepFinds))
	failing := 0.0
	if !st.FailingSince.IsZero() {
		failing = time.Since(st.FailingSince).Seconds()
	}
	ch <- prometheus.MustNewConstMetric(g.lag, prometheus.GaugeValue, failing)
}

// buildInfo is a metric that is always 1 and says what runs.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "flyte_notifier_build_info", Help: "Always 1; the labels say which version runs.",
		ConstLabels: prometheus.Labels{"version": cmp.Or(version, "unknown"), "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
