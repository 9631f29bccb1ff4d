package grpcproxy_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/grpcproxy"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/ports"
)

// agent answers by the resource meta that it is asked for.
type agent struct {
	service.UnimplementedAsyncAgentServiceServer
	service.UnimplementedSyncAgentServiceServer
}

func (agent) GetTask(ctx context.Context, r *admin.GetTaskRequest) (*admin.GetTaskResponse, error) {
	switch string(r.GetResourceMeta()) {
	case "fail":
		return nil, status.Error(codes.Internal, "no")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &admin.GetTaskResponse{Resource: &admin.Resource{Message: string(r.GetResourceMeta())}}, nil
}

func (agent) ExecuteTaskSync(s service.SyncAgentService_ExecuteTaskSyncServer) error {
	for {
		if _, err := s.Recv(); err != nil {
			break
		}
	}
	return s.Send(&admin.ExecuteTaskSyncResponse{Res: &admin.ExecuteTaskSyncResponse_Header{
		Header: &admin.ExecuteTaskSyncResponseHeader{Resource: &admin.Resource{Message: "sync"}},
	}})
}

func serve(t *testing.T) (*grpcproxy.Proxy, *grpc.ClientConn) {
	t.Helper()
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	service.RegisterAsyncAgentServiceServer(server, agent{})
	service.RegisterSyncAgentServiceServer(server, agent{})
	go func() { _ = server.Serve(l) }() // it ends with Stop
	t.Cleanup(server.Stop)
	p, err := grpcproxy.New(ports.New().Address(t), l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	conn, err := grpc.NewClient(p.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return p, conn
}

func get(t *testing.T, conn *grpc.ClientConn, meta string, timeout time.Duration) (*admin.GetTaskResponse, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return service.NewAsyncAgentServiceClient(conn).GetTask(ctx, &admin.GetTaskRequest{ResourceMeta: []byte(meta)})
}

func TestCallsPassAndAreRecorded(t *testing.T) {
	p, conn := serve(t)
	answer, err := get(t, conn, "hello", time.Minute)
	require.NoError(t, err)
	require.Equal(t, "hello", answer.GetResource().GetMessage())
	_, err = get(t, conn, "fail", time.Minute)
	require.Equal(t, codes.Internal, status.Code(err))
	require.Equal(t, "no", status.Convert(err).Message())

	calls := p.Calls("GetTask")
	require.Len(t, calls, 2)
	request, recorded := &admin.GetTaskRequest{}, &admin.GetTaskResponse{}
	require.NoError(t, calls[0].Request(0, request))
	require.Equal(t, "hello", string(request.GetResourceMeta()))
	require.NoError(t, calls[0].Answer(recorded))
	require.Equal(t, "hello", recorded.GetResource().GetMessage())
	require.Error(t, calls[1].Answer(recorded))
	require.Equal(t, calls[1:], p.Faults("GetTask"))
	require.Empty(t, p.Faults("CreateTask"))
	require.Contains(t, p.Summary(), "GetTask map[OK:1 Internal:1]")
}

func TestStreamsPass(t *testing.T) {
	p, conn := serve(t)
	s, err := service.NewSyncAgentServiceClient(conn).ExecuteTaskSync(t.Context())
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.Send(&admin.ExecuteTaskSyncRequest{Part: &admin.ExecuteTaskSyncRequest_Header{}}))
	}
	require.NoError(t, s.CloseSend())
	answer, err := s.Recv()
	require.NoError(t, err)
	require.Equal(t, "sync", answer.GetHeader().GetResource().GetMessage())
	require.Len(t, p.Calls("ExecuteTaskSync")[0].Requests, 2)
}

// An answer that comes too late is the server's fault; a client that leaves early is not.
func TestTooLateIsAFaultAndLeavingIsNot(t *testing.T) {
	p, conn := serve(t)
	_, err := get(t, conn, "hang", 300*time.Millisecond)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.Eventually(t, func() bool { return len(p.Faults("GetTask")) == 1 }, 20*time.Second, 5*time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := service.NewAsyncAgentServiceClient(conn).GetTask(ctx, &admin.GetTaskRequest{ResourceMeta: []byte("hang")})
		left <- err
	}()
	cancel()
	require.Error(t, <-left)
	require.Len(t, p.Faults("GetTask"), 1)
}

func TestAStoppedProxyRefusesAndComesBack(t *testing.T) {
	p, conn := serve(t)
	_, err := get(t, conn, "one", time.Minute)
	require.NoError(t, err)
	p.Stop()
	_, err = get(t, conn, "two", time.Minute)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.NoError(t, p.Start())
	require.NoError(t, p.Start(), "twice is no error")
	conn.ResetConnectBackoff()
	_, err = service.NewAsyncAgentServiceClient(conn).GetTask(t.Context(), &admin.GetTaskRequest{}, grpc.WaitForReady(true))
	require.NoError(t, err)
	require.Empty(t, p.Faults(""))
}

func TestAHookSeesTheAnswerBeforeTheClient(t *testing.T) {
	p, conn := serve(t)
	seen := make(chan grpcproxy.Call, 2)
	p.OnAnswer("GetTask", func(c grpcproxy.Call) {
		p.Stop()
		seen <- c
	})
	_, err := get(t, conn, "lost", time.Minute)
	require.Equal(t, codes.Unavailable, status.Code(err))
	c := <-seen
	require.True(t, c.Code == codes.OK && errors.Is(c.Err, nil))
	require.NoError(t, p.Start())
	_, err = service.NewAsyncAgentServiceClient(conn).GetTask(t.Context(), &admin.GetTaskRequest{}, grpc.WaitForReady(true))
	require.NoError(t, err)
	require.Empty(t, seen, "a hook is called once")
}
