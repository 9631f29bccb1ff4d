package flytesim_test

import (
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestAttemptsOfANodeAreListed(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	s.SetNode(id("a"), "n0", "RUNNING")
	node := &core.NodeExecutionIdentifier{NodeId: "n0", ExecutionId: wire(id("a"))}
	send := func(attempt uint32, phase core.TaskExecution_Phase, minutes int) {
		_, err := c.CreateTaskEvent(t.Context(), &admin.TaskExecutionEventRequest{Event: &event.TaskExecutionEvent{
			TaskId: &core.Identifier{Name: "task"}, ParentNodeExecutionId: node, RetryAttempt: attempt, Phase: phase,
			OccurredAt: timestamppb.New(eventTime.Add(time.Duration(minutes) * time.Minute)),
		}})
		require.NoError(t, err)
	}
	send(0, core.TaskExecution_QUEUED, 0)
	send(0, core.TaskExecution_RUNNING, 1)
	send(0, core.TaskExecution_FAILED, 2)
	send(1, core.TaskExecution_QUEUED, 3)
	list := func(req *admin.TaskExecutionListRequest) []*admin.TaskExecution {
		got, err := c.ListTaskExecutions(t.Context(), req)
		require.NoError(t, err)
		return got.GetTaskExecutions()
	}
	latest := &admin.Sort{Key: "retry_attempt", Direction: admin.Sort_DESCENDING}
	all := list(&admin.TaskExecutionListRequest{NodeExecutionId: node, Limit: 5, SortBy: latest})
	require.Len(t, all, 2)
	require.Equal(t, uint32(1), all[0].GetId().GetRetryAttempt())
	require.Nil(t, all[0].GetClosure().GetStartedAt())
	first := all[1].GetClosure()
	require.Equal(t, core.TaskExecution_FAILED, first.GetPhase())
	require.Equal(t, eventTime, first.GetCreatedAt().AsTime())
	require.Equal(t, eventTime.Add(time.Minute), first.GetStartedAt().AsTime())
	require.Equal(t, eventTime.Add(2*time.Minute), first.GetUpdatedAt().AsTime())
	require.Len(t, list(&admin.TaskExecutionListRequest{NodeExecutionId: node, Limit: 5, Filters: "eq(phase,FAILED)"}), 1)
	for _, unknown := range []*core.NodeExecutionIdentifier{
		{NodeId: "n1", ExecutionId: wire(id("a"))}, {NodeId: "n0", ExecutionId: wire(id("b"))},
	} {
		require.Empty(t, list(&admin.TaskExecutionListRequest{NodeExecutionId: unknown, Limit: 5}))
	}
	for _, bad := range []*admin.TaskExecutionListRequest{
		{NodeExecutionId: node},
		{Limit: 1},
		{NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: "n0"}, Limit: 1},
		{NodeExecutionId: node, Limit: 1, Token: "x"},
		{NodeExecutionId: node, Limit: 1, Filters: "eq(name,x)"},
		{NodeExecutionId: node, Limit: 1, SortBy: &admin.Sort{Key: "name"}},
	} {
		_, err := c.ListTaskExecutions(t.Context(), bad)
		require.Equal(t, codes.InvalidArgument, status.Code(err), bad)
	}
	require.Panics(t, func() { s.SetAttempt(id("a"), "n9", 0, "RUNNING") })
	require.Panics(t, func() { s.SetAttempt(id("a"), "n0", 0, "LATE") })
}
