package flytesim_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock(t time.Time) *clock { return &clock{t: t} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func TestFaultsAreInjectedAndCleared(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	req := &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))}
	code := func() codes.Code {
		_, err := c.GetExecution(t.Context(), req)
		return status.Code(err)
	}
	s.SetFault("GetExecution", flytesim.Fault{Code: codes.Internal, Message: "database is down"})
	_, err := c.GetExecution(t.Context(), req)
	require.ErrorContains(t, err, "database is down")
	_, err = c.ListExecutions(t.Context(), listReq(""))
	require.NoError(t, err, "other methods are well")

	s.SetFault("GetExecution", flytesim.Fault{Code: codes.Unavailable, Times: 2})
	require.Equal(t, []codes.Code{codes.Unavailable, codes.Unavailable, codes.OK}, []codes.Code{code(), code(), code()})

	s.SetFault(flytesim.All, flytesim.Fault{Code: codes.Internal})
	s.SetFault("GetExecution", flytesim.Fault{Latency: time.Millisecond})
	require.Equal(t, codes.OK, code(), "a method's own fault goes first")
	s.SetFault("GetExecution", flytesim.Fault{})
	require.Equal(t, codes.Internal, code())
	s.ClearFaults()
	require.Equal(t, codes.OK, code())
	require.Equal(t, 7, s.Calls()["GetExecution"])
	require.Equal(t, 1, s.Calls()["ListExecutions"])
}

func TestAHangingServerAnswersNobody(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	for _, f := range []flytesim.Fault{{Hang: true}, {Latency: time.Hour}} {
		s.SetFault("GetExecution", f)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := c.GetExecution(ctx, &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))})
		cancel()
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	}
}

func TestADroppedAnswerHasDoneItsWork(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	s.SetFault("CreateWorkflowEvent", flytesim.Fault{Drop: true, Times: 1})
	e := workflowEvent("a", core.WorkflowExecution_RUNNING, eventTime)
	_, err := c.CreateWorkflowEvent(t.Context(), e)
	require.Equal(t, codes.Unavailable, status.Code(err))
	_, err = c.CreateWorkflowEvent(t.Context(), e)
	require.Equal(t, codes.AlreadyExists, status.Code(err))
}

func TestAServerComesBackOnItsAddressWithItsExecutions(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	stop()
	_, stop, err = s.Start(strings.TrimPrefix(endpoint, "dns:///"))
	require.NoError(t, err)
	t.Cleanup(stop)
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	require.Equal(t, "a", get(t, service.NewAdminServiceClient(conn), "a").GetId().GetName())
	_, _, err = s.Start(strings.TrimPrefix(endpoint, "dns:///"))
	require.ErrorContains(t, err, "listen")
}

func TestATokenIsDemanded(t *testing.T) {
	t.Parallel()
	s := flytesim.New(flytesim.WithAuth(flytesim.Auth{
		Accept: func(a string) bool { return a == "Bearer good" }, Header: "flyte-authorization",
		TokenURL: "https://idp/token", Scopes: []string{"all"},
	}))
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	c := dial(t, s)
	req := &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))}
	for _, token := range []string{"Bearer bad", ""} {
		_, err := c.GetExecution(metadata.AppendToOutgoingContext(t.Context(), "flyte-authorization", token), req)
		require.Equal(t, codes.Unauthenticated, status.Code(err))
	}
	_, err := c.GetExecution(t.Context(), req)
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	_, err = c.GetExecution(metadata.AppendToOutgoingContext(t.Context(), "flyte-authorization", "Bearer good"), req)
	require.NoError(t, err)
}

func TestConcurrentReadersAndWriters(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	var wg sync.WaitGroup
	for _, f := range []func(){
		func() { s.SetPhase(id("a"), "RUNNING") },
		func() { s.SetNode(id("a"), "n0", "RUNNING") },
		func() { s.Create(flytesim.Execution{ID: id("b"), Workflow: "w"}) },
		func() { s.Archive(id("a"), false) },
		func() { s.Calls() },
		func() { _, _ = c.ListExecutions(t.Context(), listReq("")) },
		func() { _, _ = c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))}) },
		func() {
			_, _ = c.ListNodeExecutions(t.Context(), &admin.NodeExecutionListRequest{WorkflowExecutionId: wire(id("a")), Limit: 9})
		},
	} {
		wg.Go(func() {
			for range 20 {
				f()
			}
		})
	}
	wg.Wait()
	require.Len(t, names(t, c, listReq("")), 2)
}
