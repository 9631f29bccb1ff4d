package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// calls are the metrics of the gRPC server. Only methods that are registered get here, so that
// callers cannot make labels up.
type calls struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newCalls(r prometheus.Registerer) *calls {
	c := &calls{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flyte_notifier_grpc_requests_total", Help: "gRPC calls answered, by method and code.",
		}, []string{"method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flyte_notifier_grpc_request_duration_seconds", Help: "How long gRPC calls took, by method.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3, 10},
		}, []string{"method"}),
	}
	if r != nil {
		r.MustRegister(c.total, c.duration)
	}
	return c
}

func (c *calls) note(method string, start time.Time, err error) {
	c.total.WithLabelValues(method, status.Code(err).String()).Inc()
	c.duration.WithLabelValues(method).Observe(time.Since(start).Seconds())
}

func (c *calls) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	start := time.Now()
	answer, err := next(ctx, req)
	c.note(info.FullMethod, start, err)
	return answer, err
}

func (c *calls) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start := time.Now()
	err := next(srv, stream)
	c.note(info.FullMethod, start, err)
	return err
}

// traced are the methods that begin something, or end it. FlytePropeller asks GetTask again and
// again; a trace of each question would drown the others.
var traced = map[string]bool{
	"/flyteidl.service.AsyncAgentService/CreateTask":     true,
	"/flyteidl.service.AsyncAgentService/DeleteTask":     true,
	"/flyteidl.service.SyncAgentService/ExecuteTaskSync": true,
}

// tracingOptions make a span of each traced call, which continues the caller's trace if it has one.
func tracingOptions(p trace.TracerProvider) []grpc.ServerOption {
	if p == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(p), otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(func(i *stats.RPCTagInfo) bool { return traced[i.FullMethodName] }),
	))}
}
