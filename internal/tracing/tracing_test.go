package tracing_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
)

const (
	carried = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

func TestEnabled(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]bool{
		"":                                      false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=":          false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c":  true,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=x":  true,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=x": false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=x OTEL_SDK_DISABLED=TRUE":            false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=x OTEL_SDK_DISABLED=no":              true,
		"OTEL_EXPORTER_OTLP_ENDPOINT=x OTEL_TRACES_EXPORTER=none":         false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=x OTEL_TRACES_EXPORTER=otlp":         true,
		"OTEL_EXPORTER_OTLP_ENDPOINT=x OTEL_TRACES_EXPORTER=console,otlp": true,
	} {
		got := tracing.Enabled(func(name string) (string, bool) {
			for entry := range strings.FieldsSeq(environ) {
				if key, value, _ := strings.Cut(entry, "="); key == name {
					return value, true
				}
			}
			return "", false
		})
		require.Equal(t, want, got, environ)
	}
}

func TestCarriedTraceIsResumed(t *testing.T) {
	t.Parallel()
	require.Empty(t, tracing.Carry(t.Context()))
	require.Equal(t, carried, tracing.Carry(tracing.Resume(t.Context(), carried)))
	for _, broken := range []string{"", "x", "00-0-0-01", carried + "\n"} {
		ctx := tracing.Resume(t.Context(), broken)
		require.False(t, trace.SpanContextFromContext(ctx).IsValid(), broken)
	}
}

func TestASpanAcrossTheStoreIsChildAndLinked(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	tracer := tracing.Tracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	other, unrelated := tracer.Start(t.Context(), "unrelated")
	ctx, span := tracing.Begin(other, tracer, carried, "transition")
	require.True(t, strings.HasPrefix(tracing.Carry(ctx), "00-"+traceID+"-"))
	span.End()
	unrelated.End()
	_, span = tracing.Begin(t.Context(), tracer, "", "transition")
	span.End()

	got := recorder.Ended()
	require.Equal(t, traceID, got[0].SpanContext().TraceID().String())
	require.Equal(t, spanID, got[0].Parent().SpanID().String(), "and not the span that happens to run")
	require.Equal(t, spanID, got[0].Links()[0].SpanContext.SpanID().String())
	require.False(t, got[2].Parent().IsValid())
	require.Empty(t, got[2].Links())
}

// A watch that was registered with a trace keeps it through a server that traces nothing.
func TestWithoutAProviderTracesPassThrough(t *testing.T) {
	t.Parallel()
	ctx, span := tracing.Begin(t.Context(), tracing.Tracer(nil), carried, "transition")
	require.False(t, span.IsRecording())
	require.Equal(t, carried, tracing.Carry(ctx))
	ctx, _ = tracing.Begin(t.Context(), tracing.Tracer(nil), "", "transition")
	require.Empty(t, tracing.Carry(ctx))
}

// collected is a collector that counts spans by name.
type collected struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	names map[string]int
	about string
}

func (c *collected) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		c.about = resource.GetResource().String()
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.names[span.GetName()]++
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// This test sets the process's environment, which is where OpenTelemetry looks: it runs alone.
func TestStart(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	provider, stop, err := tracing.Start(t.Context(), "1.2.3", logger)
	require.NoError(t, err)
	require.Nil(t, provider, "off unless an endpoint is set")
	stop()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	sink := &collected{names: map[string]int{}}
	srv := grpc.NewServer()
	collector.RegisterTraceServiceServer(srv, sink)
	go func() { _ = srv.Serve(l) }()
	defer srv.Stop()

	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	provider, stop, err = tracing.Start(t.Context(), "1.2.3", logger)
	require.NoError(t, err)
	for range 3 {
		_, span := tracing.Tracer(provider).Start(t.Context(), "attempt")
		span.End()
	}
	stop()
	require.Equal(t, map[string]int{"attempt": 3}, sink.names, "a stop sends what is left")
	for _, part := range []string{"flyte-notifier", "1.2.3", "deployment.environment.name"} {
		require.Contains(t, sink.about, part)
	}

	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	provider, _, err = tracing.Start(t.Context(), "1.2.3", logger)
	require.NoError(t, err)
	require.Nil(t, provider)
	require.Contains(t, log.String(), "only the protocol grpc is supported")
}

// A collector that is not there, or that never answers, delays neither spans nor the stop for long.
func TestDeadCollector(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	require.NoError(t, err)
	defer l.Close()
	for _, endpoint := range []string{"http://127.0.0.1:1", "http://" + l.Addr().String()} {
		var log bytes.Buffer
		t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
		provider, stop, err := tracing.Start(t.Context(), "1.2.3", slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		start := time.Now()
		for range 20_000 { // more than the queue holds
			_, span := tracing.Tracer(provider).Start(t.Context(), "attempt")
			span.End()
		}
		require.Less(t, time.Since(start), 5*time.Second)
		start = time.Now()
		stop()
		require.Less(t, time.Since(start), 10*time.Second)
		require.Contains(t, log.String(), "the last traces were not sent")
	}
}
