package delivery_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// observe starts the bench's outbox, traced and measured.
func (b *bench) observe() (*tracetest.SpanRecorder, *prometheus.Registry) {
	spans, metrics := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(b.t.Context())
	b.outbox = delivery.New(delivery.Options{
		Store: b.store, Registry: notifier.NewRegistry(manifest()), Connections: notifier.NewConnections(b.conns, nil),
		Config: b.config, Metrics: metrics, Log: slog.New(slog.DiscardHandler),
		Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.outbox.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	b.stop = func() { cancel(); wg.Wait() }
	return spans, metrics
}

func TestAttemptsGoOnWithTheTrace(t *testing.T) {
	var calls tally
	s := &service{send: func(ctx context.Context, _ *place, _ notifier.Message) error {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return notifier.Permanent.Errorf("the call is not in the span")
		}
		if calls.note() == 1 {
			return notifier.RetryAfter(30*time.Second, errors.New("the words of a service"))
		}
		return nil
	}}
	run(t, s, func(b *bench) {
		const carried = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		spans, metrics := b.observe()
		w, err := b.store.Register(b.t.Context(), store.Watch{ID: "w1", Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC()})
		require.NoError(b.t, err)
		d := b.delivery(w, "d1", "#secret-plans")
		d.Trace = carried
		require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
		b.outbox.Wake()
		b.pass(time.Minute)
		require.Equal(b.t, store.Delivered, b.get("d1").State)

		ended := spans.Ended()
		require.Len(b.t, ended, 2)
		for i, verdict := range []string{"retry", "delivered"} {
			require.Equal(b.t, "attempt", ended[i].Name())
			require.Equal(b.t, "0af7651916cd43dd8448eb211c80319c", ended[i].SpanContext().TraceID().String())
			require.Equal(b.t, "b7ad6b7169203331", ended[i].Parent().SpanID().String())
			all := map[string]string{"status": ended[i].Status().Description}
			for _, a := range ended[i].Attributes() {
				all[string(a.Key)] = a.Value.String()
			}
			require.Equal(b.t, "chat", all["notifier.kind"])
			require.Equal(b.t, verdict, all["notifier.verdict"])
			require.Equal(b.t, []string{"1", "2"}[i], all["notifier.attempt"])
			for key, value := range all {
				require.NotContains(b.t, value, "secret-plans", key)
				require.NotContains(b.t, value, "words", key)
			}
			require.Empty(b.t, ended[i].Events())
		}
		require.NoError(b.t, testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP flyte_notifier_holds_total Answers of services that asked to be left alone for a while, such as 429.
# TYPE flyte_notifier_holds_total counter
flyte_notifier_holds_total{notifier="chat"} 1
`), "flyte_notifier_holds_total"))
	})
}

func TestWaitsForTheRateAreCounted(t *testing.T) {
	s := &service{}
	run(t, s, func(b *bench) {
		b.conns[0].Rate = notifier.Rate{PerSecond: 1, Burst: 1}
		_, metrics := b.observe()
		b.add("w1", "#a")
		b.add("w2", "#a")
		b.pass(10 * time.Second)
		require.Len(b.t, s.sent(), 2)
		families, err := metrics.Gather()
		require.NoError(b.t, err)
		counted := map[string]float64{}
		for _, f := range families {
			counted[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue()
		}
		require.Positive(b.t, counted["flyte_notifier_rate_limited_total"])
		require.Contains(b.t, counted, "flyte_notifier_template_failures_total", "counters begin at 0")
		problems, err := testutil.GatherAndLint(metrics)
		require.NoError(b.t, err)
		require.Empty(b.t, problems)
		synctest.Wait()
	})
}
