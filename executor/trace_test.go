package executor_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// observe starts the bench's executor anew, traced and measured.
func (b *bench) observe() (*tracetest.SpanRecorder, *prometheus.Registry) {
	b.stop()
	spans, metrics := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(b.t.Context())
	b.exec = executor.New(executor.Options{
		Store: b.store, Admin: b.admin, Registry: notifier.NewRegistry(stdout.Manifest(io.Discard)),
		Config: executor.Config{
			Feed:         flyte.FeedConfig{Interval: interval, Sweep: 5 * time.Minute, Overlap: 15 * time.Second},
			NodeInterval: 10 * time.Second, NodeCalls: 50,
		},
		Metrics: metrics, Log: slog.New(slog.DiscardHandler),
		Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.exec.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	b.stop = func() { cancel(); wg.Wait() }
	return spans, metrics
}

func TestTransitionsGoOnWithTheTrace(t *testing.T) {
	run(t, func(b *bench) {
		const carried = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		spans, _ := b.observe()
		b.admin.set("f1", "RUNNING")
		w := b.register("f1", []spec.Rule{onPhases("failed", "FAILED")}, func(w *store.Watch) { w.Trace = carried })
		b.rounds(1)
		b.admin.set("f1", "FAILED", func(x *flyte.Execution) { x.Error.Message = "secret of a user" })
		b.rounds(2)

		ended := spans.Ended()
		require.Len(b.t, ended, 2)
		for i, phase := range []string{"RUNNING", "FAILED"} {
			require.Equal(b.t, "transition", ended[i].Name())
			require.Equal(b.t, "0af7651916cd43dd8448eb211c80319c", ended[i].SpanContext().TraceID().String())
			require.Equal(b.t, "b7ad6b7169203331", ended[i].Parent().SpanID().String())
			attributes := map[string]string{}
			for _, a := range ended[i].Attributes() {
				attributes[string(a.Key)] = a.Value.String()
			}
			require.Equal(b.t, phase, attributes["flyte.phase"])
			require.Equal(b.t, "f1", attributes["flyte.execution"])
			for _, value := range attributes {
				require.NotContains(b.t, value, "secret of a user")
			}
		}
		all, err := b.store.WatchDeliveries(b.t.Context(), w.ID)
		require.NoError(b.t, err)
		require.Len(b.t, all, 1)
		require.Equal(b.t, "00-0af7651916cd43dd8448eb211c80319c-"+ended[1].SpanContext().SpanID().String()+"-01", all[0].Trace)
	})
}

func TestAWatchWithoutATraceBeginsOne(t *testing.T) {
	run(t, func(b *bench) {
		spans, _ := b.observe()
		b.admin.set("f1", "FAILED")
		w := b.register("f1", []spec.Rule{onPhases("failed", "FAILED")})
		b.rounds(1)
		all, err := b.store.WatchDeliveries(b.t.Context(), w.ID)
		require.NoError(b.t, err)
		require.Len(b.t, all, 1)
		require.True(b.t, strings.Contains(all[0].Trace, spans.Ended()[0].SpanContext().TraceID().String()), all[0].Trace)
		require.False(b.t, spans.Ended()[0].Parent().IsValid())
	})
}

// Only what says how late a phase was seen is counted: not the first look, not a phase without time.
func TestDetectionLag(t *testing.T) {
	run(t, func(b *bench) {
		_, metrics := b.observe()
		lag := func() (n uint64, sum float64) {
			families, err := metrics.Gather()
			require.NoError(b.t, err)
			for _, f := range families {
				if f.GetName() == "flyte_notifier_detection_lag_seconds" {
					n, sum = f.GetMetric()[0].GetHistogram().GetSampleCount(), f.GetMetric()[0].GetHistogram().GetSampleSum()
				}
			}
			return n, sum
		}
		b.admin.set("f1", "QUEUED")
		b.register("f1", []spec.Rule{onPhases("any", "RUNNING")})
		b.rounds(1)
		n, _ := lag()
		require.Zero(b.t, n, "a first look")

		started := time.Now()
		b.admin.set("f1", "RUNNING", func(x *flyte.Execution) { x.StartedAt = started })
		b.rounds(1)
		n, first := lag()
		require.EqualValues(b.t, 1, n)
		require.InDelta(b.t, interval.Seconds(), first, interval.Seconds())
		b.admin.set("f1", "FAILING")
		b.rounds(1)
		n, _ = lag()
		require.EqualValues(b.t, 1, n, "nobody knows when it began to fail")

		b.admin.set("f1", "FAILED", func(x *flyte.Execution) { x.EndedAt = time.Now().Add(-time.Minute) })
		b.rounds(1)
		n, sum := lag()
		require.EqualValues(b.t, 2, n)
		require.InDelta(b.t, first+60, sum, 2*interval.Seconds())
		b.admin.set("f1", "RUNNING")
		b.rounds(1)
		b.pass(6 * time.Minute) // the sweep sees it, whenever it went back
		n, _ = lag()
		require.EqualValues(b.t, 2, n, "a phase that went back")
	})
}
