package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// brokenLedger cannot be read.
type brokenLedger struct{ store.Ledger }

func (brokenLedger) Counts(context.Context) (map[store.WatchState]int, map[store.DeliveryState]int, error) {
	return nil, nil, errors.New("disk is full")
}

func (brokenLedger) OldestDue(context.Context, time.Time) (time.Time, error) {
	return time.Time{}, errors.New("disk is full")
}

// agedLedger has a delivery that is due since then.
type agedLedger struct {
	store.Ledger
	since time.Time
}

func (agedLedger) Counts(context.Context) (map[store.WatchState]int, map[store.DeliveryState]int, error) {
	return nil, nil, nil
}

func (l agedLedger) OldestDue(context.Context, time.Time) (time.Time, error) { return l.since, nil }

func TestQueueAge(t *testing.T) {
	t.Parallel()
	for since, want := range map[time.Time]float64{{}: 0, time.Now().Add(-time.Hour): 3600} {
		reg := prometheus.NewRegistry()
		reg.MustRegister(newGauges(agedLedger{since: since}, func() flyte.FeedStats { return flyte.FeedStats{} }))
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "flyte_notifier_queue_age_seconds" {
				require.InDelta(t, want, f.GetMetric()[0].GetGauge().GetValue(), 60)
				want = -1
			}
		}
		require.EqualValues(t, -1, want, "it is there")
	}
}

func TestGaugesOfAStoreThatFails(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	reg.MustRegister(newGauges(brokenLedger{}, func() flyte.FeedStats {
		return flyte.FeedStats{Calls: 7, FailingSince: time.Now().Add(-time.Minute)}
	}))
	families, err := reg.Gather()
	require.ErrorContains(t, err, "disk is full")
	values := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	require.EqualValues(t, 7, values["flyte_notifier_admin_list_calls_total"], "what flyteadmin was asked is told all the same")
	require.InDelta(t, 60, values["flyte_notifier_scope_failing_seconds"], 30)
	require.NotContains(t, values, "flyte_notifier_watches")
}
