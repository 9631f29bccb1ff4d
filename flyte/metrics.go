package flyte

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// Measured is an option of Dial that counts all calls to flyteadmin by method and code.
func Measured(r prometheus.Registerer) grpc.DialOption {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flyte_notifier_admin_calls_total", Help: "Calls to flyteadmin, by method and code.",
	}, []string{"method", "code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "flyte_notifier_admin_call_duration_seconds", Help: "How long calls to flyteadmin took, by method.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
	}, []string{"method"})
	r.MustRegister(total, duration)
	return grpc.WithChainUnaryInterceptor(func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		start := time.Now()
		err := invoke(ctx, method, req, reply, cc, opts...)
		short := method[strings.LastIndexByte(method, '/')+1:]
		total.WithLabelValues(short, status.Code(err).String()).Inc()
		duration.WithLabelValues(short).Observe(time.Since(start).Seconds())
		return err
	})
}
