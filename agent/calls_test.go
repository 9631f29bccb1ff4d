package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/flyte-notifier/flyte-notifier/agent"
)

const (
	asyncService = "/flyteidl.service.AsyncAgentService/"
)

func TestCallsAreCounted(t *testing.T) {
	bubble(t, func(w *world) {
		meta := w.create(request(w.t, waiting()))
		w.get(meta)
		w.get(meta)
		w.store.fault(func(context.Context) error { return errors.New("disk is full") }, "Register")
		_, err := w.async.CreateTask(w.context(), request(w.t, waiting(), attempt("1", 1)))
		require.Error(w.t, err)
		_, err = w.sync.ExecuteTaskSync(w.context())
		require.NoError(w.t, err)
		require.Error(w.t, w.conn.Invoke(w.context(), asyncService+"made-up-by-a-caller", &admin.GetTaskRequest{}, &admin.GetTaskResponse{}))

		require.NoError(w.t, testutil.GatherAndCompare(w.gathered, strings.NewReader(`
# HELP flyte_notifier_grpc_requests_total gRPC calls answered, by method and code.
# TYPE flyte_notifier_grpc_requests_total counter
flyte_notifier_grpc_requests_total{code="OK",method="`+asyncService+`CreateTask"} 1
flyte_notifier_grpc_requests_total{code="OK",method="`+asyncService+`GetTask"} 2
flyte_notifier_grpc_requests_total{code="Unavailable",method="`+asyncService+`CreateTask"} 1
`), "flyte_notifier_grpc_requests_total"))
		n, err := testutil.GatherAndCount(w.gathered, "flyte_notifier_grpc_request_duration_seconds")
		require.NoError(w.t, err)
		require.Equal(w.t, 2, n, "one for each method")
		problems, err := testutil.GatherAndLint(w.gathered)
		require.NoError(w.t, err)
		require.Empty(w.t, problems)
	})
}

func TestTracesOfCalls(t *testing.T) {
	bubble(t, func(w *world) {
		w.get(w.create(request(w.t, waiting())))
		require.Empty(w.t, w.watch().Trace, "nothing is traced by default")

		recorder := tracetest.NewSpanRecorder()
		w.stop()
		w.listener = bufconn.Listen(1 << 20)
		w.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		w.serve(agent.TLS{})

		const id = "0af7651916cd43dd8448eb211c80319c"
		ctx := grpcmetadata.AppendToOutgoingContext(w.context(), "traceparent", "00-"+id+"-b7ad6b7169203331-01")
		_, err := w.async.CreateTask(ctx, request(w.t, waiting(), func(r *admin.CreateTaskRequest) { r.OutputPrefix = "s3://other/n0/data/0" }))
		require.NoError(w.t, err)
		all := w.watches()
		require.Len(w.t, all, 2)
		w.get(w.create(request(w.t, waiting()))) // a replay
		require.Empty(w.t, w.watches()[0].Trace, "a replay changes nothing")

		w.stop() // which ends the spans
		var names []string
		for _, span := range recorder.Ended() {
			names = append(names, span.Name())
		}
		require.Equal(w.t, []string{strings.TrimPrefix(asyncService, "/") + "CreateTask", strings.TrimPrefix(asyncService, "/") + "CreateTask"}, names,
			"FlytePropeller's questions are not worth one")
		first := recorder.Ended()[0].SpanContext()
		require.Equal(w.t, id, first.TraceID().String(), "the caller's trace goes on")
		require.Equal(w.t, "00-"+id+"-"+first.SpanID().String()+"-01", all[1].Trace)
	})
}
