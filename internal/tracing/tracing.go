// Package tracing makes OpenTelemetry's tracer from the standard OTEL_* variables, and carries
// traces across the store as W3C traceparents.
//
// It holds no span names and no global state: parts get the provider handed to them, and one
// without it traces nothing.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Scope is the name under which the spans are made.
const Scope = "github.com/flyte-notifier/flyte-notifier"

const (
	serviceName  = "flyte-notifier" // unless OTEL_SERVICE_NAME says another
	flushTimeout = 3 * time.Second  // a stop waits no longer for a collector
)

// Enabled says whether the environment, as os.LookupEnv gives it, wants traces: an endpoint is set,
// and nothing switches them off.
func Enabled(lookup func(string) (string, bool)) bool {
	get := func(name string) string {
		v, _ := lookup(name)
		return strings.TrimSpace(v)
	}
	endpoint := get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") + get("OTEL_EXPORTER_OTLP_ENDPOINT")
	exporters := strings.Split(get("OTEL_TRACES_EXPORTER"), ",")
	return endpoint != "" && !strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") &&
		(exporters[0] == "" || slices.Contains(exporters, "otlp"))
}

// Start returns a provider that sends spans by OTLP over gRPC, as the OTEL_* variables say; or nil
// if they want none. stop sends what is left, within some seconds. Nothing waits for the collector:
// without it spans are dropped, and the log says so when that begins and ends.
func Start(ctx context.Context, version string, log *slog.Logger) (provider trace.TracerProvider, stop func(), err error) {
	if !Enabled(os.LookupEnv) {
		return nil, func() {}, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol != "" && protocol != "grpc" {
			// Operators that inject the variables into all pods must not keep the server from starting.
			log.WarnContext(ctx, "no traces are sent: only the protocol grpc is supported", "variable", name, "protocol", protocol)
			return nil, func() {}, nil
		}
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("start traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName(serviceName), semconv.ServiceVersion(version)),
		resource.WithFromEnv())
	if err != nil {
		log.WarnContext(ctx, "traces may lack what OTEL_RESOURCE_ATTRIBUTES says", "error", err)
	}
	p := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&tellOnce{SpanExporter: exporter, log: log}), sdktrace.WithResource(about))
	log.InfoContext(ctx, "traces are sent")
	return p, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			log.WarnContext(ctx, "the last traces were not sent", "error", err)
		}
	}, nil
}

// tellOnce logs that spans cannot be sent when that begins, and when they can be again; not at
// each batch of an outage. Its errors go no further: OpenTelemetry would print them by itself.
type tellOnce struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *tellOnce) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.failing.Swap(true):
		e.log.WarnContext(ctx, "traces cannot be sent, and are dropped", "error", err)
	case err == nil && e.failing.Swap(false):
		e.log.InfoContext(ctx, "traces are sent again")
	}
	return nil
}

// Tracer is the provider's tracer; one that does nothing for nil.
func Tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer(Scope)
}

// traceparent is the key of the W3C header that Carry and Resume know.
const traceparent = "traceparent"

// Carry is the traceparent of ctx's span, to be stored; "" if there is none.
func Carry(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// Resume returns ctx within the trace that was carried. What is no traceparent changes nothing.
func Resume(ctx context.Context, carried string) context.Context {
	if carried == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: carried})
}

// Begin starts a span across the store: a child of what was carried, so that all is one trace, and
// linked to it, since it may begin long after its parent has ended. Without a carried trace it
// begins a new one.
func Begin(ctx context.Context, t trace.Tracer, carried, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx = Resume(trace.ContextWithSpan(ctx, nil), carried)
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() {
		o = append(o, trace.WithLinks(trace.Link{SpanContext: parent}))
	}
	return t.Start(ctx, name, o...)
}
