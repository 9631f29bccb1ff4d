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

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func workflow(name string) *core.Identifier {
	return &core.Identifier{ResourceType: core.ResourceType_WORKFLOW, Project: "ml", Domain: "production", Name: name, Version: "v1"}
}

func TestAWorkflowIsAnsweredAsItWasRegistered(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	s.RegisterWorkflow(flytesim.Workflow{
		Scope: id("a").Scope, Name: "w", Version: "v1",
		Steps: []flytesim.Step{
			{ID: "n0", Timeout: time.Hour},
			{ID: "n1", Approve: "go"},
			{ID: "n2", Input: "rows", Type: "integer"},
			{ID: "n3", Sub: "inner"},
			{ID: "n4", Branch: []flytesim.Step{{ID: "b0"}, {ID: "b1"}, {ID: "b2"}}},
			{ID: "n5", Each: &flytesim.Step{ID: "e"}},
		},
		Subs: map[string][]flytesim.Step{"inner": {{ID: "n0", Input: "yes"}}},
	})
	got, err := c.GetWorkflow(t.Context(), &admin.ObjectGetRequest{Id: workflow("w")})
	require.NoError(t, err)
	closure := got.GetClosure().GetCompiledWorkflow()
	nodes := closure.GetPrimary().GetTemplate().GetNodes()
	require.Equal(t, time.Hour, nodes[0].GetMetadata().GetTimeout().AsDuration())
	require.NotNil(t, nodes[0].GetTaskNode())
	require.Nil(t, nodes[1].GetMetadata().GetTimeout())
	require.Equal(t, "go", nodes[1].GetGateNode().GetApprove().GetSignalId())
	require.Equal(t, core.SimpleType_INTEGER, nodes[2].GetGateNode().GetSignal().GetType().GetSimple())
	sub := closure.GetSubWorkflows()[0].GetTemplate()
	require.Equal(t, sub.GetId().String(), nodes[3].GetWorkflowNode().GetSubWorkflowRef().String())
	require.Equal(t, core.SimpleType_BOOLEAN, sub.GetNodes()[0].GetGateNode().GetSignal().GetType().GetSimple())
	branch := nodes[4].GetBranchNode().GetIfElse()
	require.Equal(t, "b0", branch.GetCase().GetThenNode().GetId())
	require.Equal(t, "b1", branch.GetOther()[0].GetThenNode().GetId())
	require.Equal(t, "b2", branch.GetElseNode().GetId())
	require.Equal(t, "e", nodes[5].GetArrayNode().GetNode().GetId())

	_, err = c.GetWorkflow(t.Context(), &admin.ObjectGetRequest{Id: workflow("v")})
	require.Equal(t, codes.NotFound, status.Code(err))
	task := workflow("w")
	task.ResourceType = core.ResourceType_TASK
	for _, bad := range []*core.Identifier{task, workflow(""), nil} {
		_, err = c.GetWorkflow(t.Context(), &admin.ObjectGetRequest{Id: bad})
		require.Equal(t, codes.InvalidArgument, status.Code(err))
	}
}

func TestWhatADynamicNodeMadeIsKnownWhileItRuns(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	made := func(node string) (*admin.DynamicNodeWorkflowResponse, error) {
		return c.GetDynamicNodeWorkflow(t.Context(), &admin.GetDynamicNodeWorkflowRequest{
			Id: &core.NodeExecutionIdentifier{NodeId: node, ExecutionId: wire(id("a"))},
		})
	}
	s.SetDynamic(id("a"), "n0", flytesim.Workflow{Steps: []flytesim.Step{{ID: "dn0"}}})
	got, err := made("n0")
	require.NoError(t, err)
	require.Equal(t, "dn0", got.GetCompiledWorkflow().GetPrimary().GetTemplate().GetNodes()[0].GetId())
	require.True(t, getNode(t, c, "n0").GetMetadata().GetIsDynamic())

	e := nodeEvent("n1", "", core.NodeExecution_DYNAMIC_RUNNING, eventTime)
	e.Event.TargetMetadata = &event.NodeExecutionEvent_TaskNodeMetadata{TaskNodeMetadata: &event.TaskNodeMetadata{
		DynamicWorkflow: &event.DynamicWorkflowNodeMetadata{CompiledWorkflow: got.GetCompiledWorkflow()},
	}}
	_, err = c.CreateNodeEvent(t.Context(), e)
	require.NoError(t, err)
	_, err = made("n1")
	require.NoError(t, err)
	_, err = c.CreateNodeEvent(t.Context(), nodeEvent("n1", "", core.NodeExecution_FAILED, eventTime))
	require.NoError(t, err)
	for _, node := range []string{"n1", "n9"} {
		_, err = made(node)
		require.Equal(t, codes.NotFound, status.Code(err), node)
	}
}

func TestABranchIsAParentInListsAlone(t *testing.T) {
	t.Parallel()
	_, c := one(t)
	for _, e := range []*admin.NodeExecutionEventRequest{
		nodeEvent("n0", "", core.NodeExecution_RUNNING, eventTime),
		nodeEvent("n1", "", core.NodeExecution_QUEUED, eventTime.Add(-time.Minute)),
		nodeEvent("n0-0-n2", "n0", core.NodeExecution_RUNNING, eventTime),
	} {
		_, err := c.CreateNodeEvent(t.Context(), e)
		require.NoError(t, err)
	}
	list, err := c.ListNodeExecutions(t.Context(), &admin.NodeExecutionListRequest{
		WorkflowExecutionId: wire(id("a")), Limit: 10,
		SortBy: &admin.Sort{Key: "node_execution_created_at", Direction: admin.Sort_ASCENDING},
	})
	require.NoError(t, err)
	require.Equal(t, "n1", list.GetNodeExecutions()[0].GetId().GetNodeId(), "sorted")
	require.False(t, list.GetNodeExecutions()[0].GetMetadata().GetIsParentNode())
	require.True(t, list.GetNodeExecutions()[1].GetMetadata().GetIsParentNode())
	require.False(t, getNode(t, c, "n0").GetMetadata().GetIsParentNode())
	_, err = c.ListNodeExecutions(t.Context(), &admin.NodeExecutionListRequest{
		WorkflowExecutionId: wire(id("a")), Limit: 10, SortBy: &admin.Sort{Key: "color"},
	})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
}

func TestWhatAnExecutionIsCreatedWith(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	s.Create(flytesim.Execution{
		ID: id("b"), Workflow: "w", Parent: id("a"), ParentNode: "n3", Tags: []string{"x"},
		Notifications: []flyte.Notification{{Phases: []string{"FAILED"}, Kind: flyte.Slack, Recipients: []string{"a@example.org"}}},
	})
	s.Create(flytesim.Execution{ID: id("c"), Workflow: "w", Mode: "RELAUNCH"})
	b := get(t, c, "b")
	require.Equal(t, "n3", b.GetSpec().GetMetadata().GetParentNodeExecution().GetNodeId())
	require.Equal(t, "a", b.GetSpec().GetMetadata().GetParentNodeExecution().GetExecutionId().GetName())
	require.Equal(t, admin.ExecutionMetadata_CHILD_WORKFLOW, b.GetSpec().GetMetadata().GetMode())
	require.Equal(t, []string{"x"}, b.GetSpec().GetTags())
	require.Equal(t, []string{"a@example.org"}, b.GetClosure().GetNotifications()[0].GetSlack().GetRecipientsEmail())
	require.Nil(t, get(t, c, "c").GetSpec().GetMetadata().GetParentNodeExecution())
	require.Equal(t, []string{"c"}, names(t, c, listReq("eq(mode,3)")))
	for name, bad := range map[string]flytesim.Execution{
		"mode":  {ID: id("d"), Mode: "BY_HAND"},
		"kind":  {ID: id("d"), Notifications: []flyte.Notification{{Kind: "fax"}}},
		"phase": {ID: id("d"), Notifications: []flyte.Notification{{Kind: flyte.Email, Phases: []string{"failed"}}}},
	} {
		require.Panics(t, func() { s.Create(bad) }, name)
	}
	require.Equal(t, "w", get(t, c, "a").GetClosure().GetWorkflowId().GetName(), "a panic leaves the server well")
}
