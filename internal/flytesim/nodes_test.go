package flytesim_test

import (
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func nodeEvent(node, parent string, phase core.NodeExecution_Phase, at time.Time) *admin.NodeExecutionEventRequest {
	e := &event.NodeExecutionEvent{
		Id:    &core.NodeExecutionIdentifier{NodeId: node, ExecutionId: wire(id("a"))},
		Phase: phase, OccurredAt: timestamppb.New(at), RetryGroup: "0",
	}
	if parent != "" {
		e.ParentNodeMetadata = &event.ParentNodeExecutionMetadata{NodeId: parent}
	}
	return &admin.NodeExecutionEventRequest{Event: e}
}

func nodeIDs(t *testing.T, c service.AdminServiceClient, parent, filters string) []string {
	t.Helper()
	list, err := c.ListNodeExecutions(t.Context(), &admin.NodeExecutionListRequest{
		WorkflowExecutionId: wire(id("a")), Limit: 10, UniqueParentId: parent, Filters: filters,
	})
	require.NoError(t, err)
	ids := []string{}
	for _, n := range list.GetNodeExecutions() {
		ids = append(ids, n.GetId().GetNodeId())
	}
	return ids
}

func getNode(t *testing.T, c service.AdminServiceClient, node string) *admin.NodeExecution {
	t.Helper()
	n, err := c.GetNodeExecution(t.Context(), &admin.NodeExecutionGetRequest{
		Id: &core.NodeExecutionIdentifier{NodeId: node, ExecutionId: wire(id("a"))},
	})
	require.NoError(t, err)
	return n
}

func TestNodeEventsMakeAndMoveNodes(t *testing.T) {
	t.Parallel()
	_, c := one(t)
	send := func(e *admin.NodeExecutionEventRequest) codes.Code {
		_, err := c.CreateNodeEvent(t.Context(), e)
		return status.Code(err)
	}
	require.Equal(t, codes.NotFound, send(nodeEvent("n0-0-n1", "n0", core.NodeExecution_QUEUED, eventTime)), "the parent comes first")
	parent := nodeEvent("n0", "", core.NodeExecution_RUNNING, eventTime)
	parent.Event.IsParent = true
	require.Equal(t, codes.OK, send(parent))
	require.Equal(t, codes.OK, send(nodeEvent("n0-0-n1", "n0", core.NodeExecution_QUEUED, eventTime)))
	require.Equal(t, codes.AlreadyExists, send(nodeEvent("n0-0-n1", "n0", core.NodeExecution_QUEUED, eventTime)))
	require.Equal(t, codes.OK, send(nodeEvent("n0-0-n1", "n0", core.NodeExecution_RUNNING, eventTime.Add(time.Second))))
	failed := nodeEvent("n0-0-n1", "n0", core.NodeExecution_FAILED, eventTime.Add(time.Minute))
	failed.Event.SpecNodeId = "n1"
	failed.Event.OutputResult = &event.NodeExecutionEvent_Error{Error: &core.ExecutionError{Code: "C", Message: "M"}}
	require.Equal(t, codes.OK, send(failed))
	require.Equal(t, codes.FailedPrecondition, send(nodeEvent("n0-0-n1", "n0", core.NodeExecution_RUNNING, eventTime)))
	require.Equal(t, codes.NotFound, func() codes.Code {
		e := nodeEvent("n0", "", core.NodeExecution_RUNNING, eventTime)
		e.Event.Id.ExecutionId = wire(id("b"))
		return send(e)
	}())
	require.Equal(t, codes.InvalidArgument, send(&admin.NodeExecutionEventRequest{}))

	n := getNode(t, c, "n0-0-n1")
	require.Equal(t, core.NodeExecution_FAILED, n.GetClosure().GetPhase())
	require.Equal(t, "M", n.GetClosure().GetError().GetMessage())
	require.Equal(t, 59*time.Second, n.GetClosure().GetDuration().AsDuration())
	require.Equal(t, eventTime, n.GetClosure().GetCreatedAt().AsTime())
	require.Equal(t, "n1", n.GetMetadata().GetSpecNodeId())
	require.True(t, getNode(t, c, "n0").GetMetadata().GetIsParentNode())
}

func TestListsOfNodesShowOneLevel(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	s.SetNode(id("a"), "n0", "RUNNING")
	s.SetNode(id("a"), "n1-0-n2-1-n3", "FAILED", flytesim.Error("USER", "C", "M"))
	s.SetNode(id("a"), "n4", "SUCCEEDED")
	require.Equal(t, []string{"n0", "n1", "n4"}, nodeIDs(t, c, "", ""))
	require.Equal(t, []string{"n1-0-n2"}, nodeIDs(t, c, "n1", ""))
	require.Equal(t, []string{"n1-0-n2-1-n3"}, nodeIDs(t, c, "n1-0-n2", "value_in(phase,FAILED;TIMED_OUT)"))
	require.Empty(t, nodeIDs(t, c, "n1-0-n2", "eq(phase,RUNNING)"))
	require.Equal(t, []string{"n0", "n4"}, nodeIDs(t, c, "", "value_in(phase,RUNNING;SUCCEEDED)"))
	require.Equal(t, "M", getNode(t, c, "n1-0-n2-1-n3").GetClosure().GetError().GetMessage())
}

func TestListsOfNodesThatAreRefused(t *testing.T) {
	t.Parallel()
	_, c := one(t)
	for name, tc := range map[string]struct {
		req  *admin.NodeExecutionListRequest
		want codes.Code
	}{
		"no limit":          {&admin.NodeExecutionListRequest{WorkflowExecutionId: wire(id("a"))}, codes.InvalidArgument},
		"bad filter":        {&admin.NodeExecutionListRequest{WorkflowExecutionId: wire(id("a")), Limit: 1, Filters: "eq(name,a)"}, codes.InvalidArgument},
		"no execution":      {&admin.NodeExecutionListRequest{Limit: 1}, codes.InvalidArgument},
		"unknown parent":    {&admin.NodeExecutionListRequest{WorkflowExecutionId: wire(id("a")), Limit: 1, UniqueParentId: "n9"}, codes.NotFound},
		"unknown execution": {&admin.NodeExecutionListRequest{WorkflowExecutionId: wire(id("b")), Limit: 1}, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.ListNodeExecutions(t.Context(), tc.req)
			require.Equal(t, tc.want, status.Code(err), "%v", err)
		})
	}
	_, err := c.GetNodeExecution(t.Context(), &admin.NodeExecutionGetRequest{
		Id: &core.NodeExecutionIdentifier{NodeId: "n9", ExecutionId: wire(id("a"))},
	})
	require.Equal(t, codes.NotFound, status.Code(err))
}

func TestNodesArePagedByOffset(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	for _, n := range []string{"n0", "n1", "n2"} {
		s.SetNode(id("a"), n, "QUEUED")
	}
	req := &admin.NodeExecutionListRequest{WorkflowExecutionId: wire(id("a")), Limit: 2}
	first, err := c.ListNodeExecutions(t.Context(), req)
	require.NoError(t, err)
	require.Len(t, first.GetNodeExecutions(), 2)
	req.Token = first.GetToken()
	rest, err := c.ListNodeExecutions(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "n2", rest.GetNodeExecutions()[0].GetId().GetNodeId())
	require.Empty(t, rest.GetToken())
}

func TestTaskEvents(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	send := func(node string, phase core.TaskExecution_Phase, version uint32) codes.Code {
		_, err := c.CreateTaskEvent(t.Context(), &admin.TaskExecutionEventRequest{Event: &event.TaskExecutionEvent{
			TaskId:                &core.Identifier{Name: "task"},
			ParentNodeExecutionId: &core.NodeExecutionIdentifier{NodeId: node, ExecutionId: wire(id("a"))},
			Phase:                 phase, PhaseVersion: version,
		}})
		return status.Code(err)
	}
	require.Equal(t, codes.NotFound, send("n0", core.TaskExecution_RUNNING, 0))
	s.SetNode(id("a"), "n0", "RUNNING")
	require.Equal(t, codes.OK, send("n0", core.TaskExecution_RUNNING, 0))
	require.Equal(t, codes.AlreadyExists, send("n0", core.TaskExecution_RUNNING, 0))
	require.Equal(t, codes.OK, send("n0", core.TaskExecution_RUNNING, 1))
	require.Equal(t, codes.OK, send("n0", core.TaskExecution_FAILED, 0))
	require.Equal(t, codes.AlreadyExists, send("n0", core.TaskExecution_FAILED, 0))
	require.Equal(t, codes.FailedPrecondition, send("n0", core.TaskExecution_RUNNING, 0))
}
