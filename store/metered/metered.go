// Package metered is a store that counts what is asked of another one: how long each operation
// takes and how often it fails, and how the watching is shared out. It decides nothing.
package metered

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Wrap returns a store that does what s does, with metrics in r. It has a store.Queue if s has.
func Wrap(s store.Store, r prometheus.Registerer) store.Store {
	w := &metered{Store: s, metrics: newMetrics(r)}
	r.MustRegister(skew(s))
	if q, ok := s.(store.Queue); ok {
		return &queued{metered: w, Queue: q}
	}
	return w
}

// skew tells how far the clock of a store's engine is ahead, if it has one of its own.
func skew(s store.Store) prometheus.Collector {
	clock, _ := s.(interface{ Skew() time.Duration })
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "flyte_notifier_store_clock_skew_seconds", Help: "How far the clock of the store's server is ahead of this one's; it is corrected.",
	}, func() float64 {
		if clock == nil {
			return 0
		}
		return clock.Skew().Seconds()
	})
}

type metrics struct {
	duration            *prometheus.HistogramVec
	errors              *prometheus.CounterVec
	held, members, all  prometheus.Gauge
	interrupted, missed prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "flyte_notifier_" + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "flyte_notifier_" + name, Help: help})
	}
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flyte_notifier_store_operation_duration_seconds", Help: "How long operations of the store took, failed ones among them.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 30},
		}, []string{"operation"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flyte_notifier_store_errors_total", Help: "Operations of the store that failed.",
		}, []string{"operation"}),
		held:        gauge("shards_held", "Shards of scopes that this server watches."),
		all:         gauge("shards", "Shards of scopes that there are to watch, as this server sees it."),
		members:     gauge("members", "Servers that share the watching, as this server sees it; 0 while it takes no part."),
		interrupted: counter("interrupted_attempts_total", "Attempts that were cut short, so that their outcome is unknown."),
		missed:      counter("store_conflicts_total", "Writes whose row had changed meanwhile; they are decided anew."),
	}
	r.MustRegister(m.duration, m.errors, m.held, m.all, m.members, m.interrupted, m.missed)
	return m
}

// note counts an operation. What was not there, or had changed, is an answer and no failure; nor
// is the end of who asked.
func (m *metrics) note(ctx context.Context, operation string, start time.Time, err error) {
	m.duration.WithLabelValues(operation).Observe(time.Since(start).Seconds())
	failed := m.errors.WithLabelValues(operation) // begins at 0, so that the first failure is an increase
	switch {
	case err == nil, errors.Is(err, store.ErrNotFound):
	case errors.Is(err, store.ErrConflict):
		m.missed.Inc()
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
	default:
		failed.Inc()
	}
}

// measure runs an operation that returns one value.
func measure[T any](ctx context.Context, m *metrics, operation string, f func() (T, error)) (T, error) {
	start := time.Now()
	v, err := f()
	m.note(ctx, operation, start, err)
	return v, err
}

// run runs an operation that returns none.
func (m *metrics) run(ctx context.Context, operation string, f func() error) error {
	start := time.Now()
	err := f()
	m.note(ctx, operation, start, err)
	return err
}

type metered struct {
	store.Store
	metrics *metrics
}

// queued is one of an engine that hands deliveries out by itself.
type queued struct {
	*metered
	store.Queue
}

func (q *queued) Interrupt(ctx context.Context, id string, opened, now time.Time) error {
	err := q.metrics.run(ctx, "interrupt", func() error { return q.Queue.Interrupt(ctx, id, opened, now) })
	if err == nil {
		q.metrics.interrupted.Inc()
	}
	return err
}

// membership tells what a server holds.
type membership struct {
	store.Membership
	metrics *metrics
}

func (s *metered) Join(ctx context.Context) (store.Membership, error) {
	m, err := measure(ctx, s.metrics, "join", func() (store.Membership, error) { return s.Store.Join(ctx) })
	if err != nil {
		return nil, err
	}
	return &membership{Membership: m, metrics: s.metrics}, nil
}

func (m *membership) Hold(ctx context.Context, all []flyte.Shard) (held []flyte.Shard, members int, err error) {
	err = m.metrics.run(ctx, "hold", func() error {
		held, members, err = m.Membership.Hold(ctx, all)
		return err
	})
	if err != nil {
		m.tell(0, 0, len(all))
		return held, members, err
	}
	m.tell(len(held), members, len(all))
	return held, members, nil
}

func (m *membership) Leave() {
	m.Membership.Leave()
	m.tell(0, 0, 0)
}

func (m *membership) tell(held, members, all int) {
	m.metrics.held.Set(float64(held))
	m.metrics.members.Set(float64(members))
	m.metrics.all.Set(float64(all))
}
