package agent_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/flyte-notifier/flyte-notifier/agent"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestListAgents(t *testing.T) {
	bubble(t, func(w *world) {
		client := service.NewAgentMetadataServiceClient(w.conn)
		got, err := client.ListAgents(w.context(), &admin.ListAgentsRequest{})
		require.NoError(w.t, err)
		require.Len(w.t, got.GetAgents(), 2)
		for i, want := range []*admin.Agent{
			{Name: "notification", SupportedTaskTypes: []string{"notification"}, SupportedTaskCategories: []*admin.TaskCategory{{Name: "notification"}}},
			{Name: "notification_send", IsSync: true, SupportedTaskTypes: []string{"notification_send"}, SupportedTaskCategories: []*admin.TaskCategory{{Name: "notification_send"}}},
		} {
			require.True(w.t, proto.Equal(want, got.GetAgents()[i]), "%v", got.GetAgents()[i])
			one, err := client.GetAgent(w.context(), &admin.GetAgentRequest{Name: want.GetName()})
			require.NoError(w.t, err)
			require.True(w.t, proto.Equal(want, one.GetAgent()))
		}
		_, err = client.GetAgent(w.context(), &admin.GetAgentRequest{Name: "sensor" + strings.Repeat("x", 1<<20)})
		require.Equal(w.t, codes.NotFound, status.Code(err))
		require.ErrorContains(w.t, err, "there are notification and notification_send")
		require.Less(w.t, len(err.Error()), 300)
	})
}

func TestReflection(t *testing.T) {
	bubble(t, func(w *world) {
		stream, err := grpc_reflection_v1.NewServerReflectionClient(w.conn).ServerReflectionInfo(w.context())
		require.NoError(w.t, err)
		require.NoError(w.t, stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
		}))
		got, err := stream.Recv()
		require.NoError(w.t, err)
		var names []string
		for _, s := range got.GetListServicesResponse().GetService() {
			names = append(names, s.GetName())
		}
		require.Subset(w.t, names, []string{
			"flyteidl.service.AsyncAgentService", "flyteidl.service.SyncAgentService", "flyteidl.service.AgentMetadataService",
			"grpc.health.v1.Health",
		})
		require.NoError(w.t, stream.CloseSend())
	})
}

func TestHealth(t *testing.T) {
	bubble(t, func(w *world) {
		client := grpc_health_v1.NewHealthClient(w.conn)
		for _, name := range []string{
			"", "flyteidl.service.AsyncAgentService", "flyteidl.service.SyncAgentService", "flyteidl.service.AgentMetadataService",
		} {
			got, err := client.Check(w.context(), &grpc_health_v1.HealthCheckRequest{Service: name})
			require.NoError(w.t, err)
			require.Equal(w.t, grpc_health_v1.HealthCheckResponse_SERVING, got.GetStatus(), name)
		}
		_, err := client.Check(w.context(), &grpc_health_v1.HealthCheckRequest{Service: "other"})
		require.Equal(w.t, codes.NotFound, status.Code(err))

		w.store.fault(failing(errDisk), append(reads(), "Register")...)
		watch, err := client.Watch(w.t.Context(), &grpc_health_v1.HealthCheckRequest{})
		require.NoError(w.t, err)
		got, err := watch.Recv()
		require.NoError(w.t, err)
		require.Equal(w.t, grpc_health_v1.HealthCheckResponse_SERVING, got.GetStatus(), "from listen to stop, whatever else fails")

		start := time.Now()
		go w.stop()
		got, err = watch.Recv()
		require.NoError(w.t, err)
		require.Equal(w.t, grpc_health_v1.HealthCheckResponse_NOT_SERVING, got.GetStatus())
		w.stop()
		require.LessOrEqual(w.t, time.Since(start), 5*time.Second, "a watcher does not hold it up for ever")
		_, err = watch.Recv()
		require.Error(w.t, err)
	})
}

func TestStopFinishesCallsUnderWay(t *testing.T) {
	bubble(t, func(w *world) {
		w.store.fault(failing(errDisk), "Register")
		time.AfterFunc(time.Second, func() { w.store.fault(nil, "Register") })
		answer := make(chan error, 1)
		go func() {
			_, err := w.async.CreateTask(w.context(), request(w.t, waiting()))
			answer <- err
		}()
		synctest.Wait()
		start := time.Now()
		w.stop()
		require.InDelta(w.t, 1000, time.Since(start).Milliseconds(), 200)
		require.NoError(w.t, <-answer)
		require.Equal(w.t, store.Active, w.watch().State)
		_, err := w.async.CreateTask(w.context(), request(w.t, waiting()))
		require.Equal(w.t, codes.Unavailable, status.Code(err), "no new call is taken")
	})
}

func TestStopEndsCallsThatDoNot(t *testing.T) {
	bubble(t, func(w *world) {
		ctx, cancel := contextWith(w.t, time.Hour)
		defer cancel()
		w.store.fault(hanging, "Register")
		answer := make(chan error, 1)
		go func() {
			_, err := w.async.CreateTask(ctx, request(w.t, waiting()))
			answer <- err
		}()
		synctest.Wait()
		start := time.Now()
		w.stop()
		require.Equal(w.t, 5*time.Second, time.Since(start))
		require.Equal(w.t, codes.Unavailable, status.Code(<-answer))
	})
}

func TestServeThatCannot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir()+"/notifier.db")
	srv, err := agent.NewServer(w.service(), agent.TLS{}, discard())
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	err = srv.Serve(t.Context(), l)
	require.ErrorContains(t, err, "serve gRPC on "+l.Addr().String())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, srv.Serve(ctx, l), "stopped before it began")
}

// One call's mistake ends that call only.
func TestPanics(t *testing.T) {
	bubble(t, func(w *world) {
		mistake := func(context.Context) error { panic("mistake in the store") }
		w.store.fault(mistake, "Register")
		_, err := w.async.CreateTask(w.context(), request(w.t, waiting()))
		require.Equal(w.t, codes.Internal, status.Code(err))
		require.NotContains(w.t, err.Error(), "mistake")
		_, err = w.execute(request(w.t, object{"rules": rules()}))
		require.Equal(w.t, codes.Internal, status.Code(err))
		require.Equal(w.t, 2, strings.Count(w.log.String(), "mistake in the store"))
		require.Contains(w.t, w.log.String(), "faults_test.go", "the log has the stack")
		w.store.fault(nil, "Register")
		w.create(request(w.t, waiting()))
	})
}

func TestLogHoldsCallsButNoSpecs(t *testing.T) {
	bubble(t, func(w *world) {
		r := request(w.t, object{"rules": rules()})
		r.Inputs = &core.LiteralMap{Literals: map[string]*core.Literal{"password": text("hunter2")}}
		r.Template.Custom = template(w.t, "", object{"rules": list{object{
			"when": object{"phase": list{"FAILED"}}, "send": list{object{"stdout": object{}}}, "message": object{"title": "hunter2"},
		}}}).GetCustom()
		w.create(r)
		w.store.fault(failing(errors.New("broken")), "Register")
		_, err := w.async.CreateTask(w.context(), r)
		require.Error(w.t, err)
		require.NotContains(w.t, w.log.String(), "hunter2")
		require.Contains(w.t, w.log.String(), `"level":"DEBUG","msg":"call","method":"/flyteidl.service.AsyncAgentService/CreateTask"`)
		require.Contains(w.t, w.log.String(), `"code":"Unavailable"`)
	})
}

// A task beyond gRPC's own limit of 4 MiB is told that it is too large; it is not an error that burns retries.
func TestLargeRequestsArrive(t *testing.T) {
	bubble(t, func(w *world) {
		r := request(w.t, object{"rules": rules()})
		r.Inputs = &core.LiteralMap{Literals: map[string]*core.Literal{"x": text(strings.Repeat("x", 5<<20))}}
		_, err := w.async.CreateTask(w.context(), r)
		require.NoError(w.t, err)
		require.JSONEq(w.t, `{"x":"(left out: 5242895 bytes)"}`, string(w.watch().Inputs))
	})
}
