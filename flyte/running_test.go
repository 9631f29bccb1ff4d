package flyte_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// timeouts are the limits of what runs in execution a, by node.
func timeouts(t *testing.T, c *flyte.Client) map[string]time.Duration {
	t.Helper()
	nodes, err := c.RunningNodes(t.Context(), facts("a"))
	require.NoError(t, err)
	out := map[string]time.Duration{}
	for _, n := range nodes {
		out[n.ID] = n.Timeout
	}
	return out
}

func TestRunningNodesHaveTheirWorkflowsLimits(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.RegisterWorkflow(train(flytesim.Step{ID: "n0", Timeout: time.Hour}, flytesim.Step{ID: "n1"}, flytesim.Step{ID: "n2", Timeout: time.Minute}, flytesim.Step{ID: "n3", Timeout: time.Minute}))
	s.SetNode(execution("a"), "n2", "QUEUED", flytesim.At(started))
	s.SetNode(execution("a"), "n1", "RUNNING", flytesim.At(started.Add(-time.Second)))
	s.SetNode(execution("a"), "n0", "QUEUED", flytesim.At(created))
	s.SetNode(execution("a"), "n0", "RUNNING", flytesim.At(started))
	s.SetNode(execution("a"), "n3", "RUNNING", flytesim.At(created))
	s.SetNode(execution("a"), "n3", "FAILED", flytesim.At(started))
	c := newClient(t, s)
	want := []flyte.Node{
		{ID: "n0", Phase: "RUNNING", CreatedAt: created, StartedAt: started, Timeout: time.Hour},
		{ID: "n1", Phase: "RUNNING", CreatedAt: started.Add(-time.Second), StartedAt: started.Add(-time.Second)},
		{ID: "n2", Phase: "QUEUED", CreatedAt: started, Timeout: time.Minute},
	}
	for _, x := range []flyte.Execution{facts("a"), {ID: execution("a")}} {
		got, err := c.RunningNodes(t.Context(), x)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	}
	require.Equal(t, 1, s.Calls()["GetWorkflow"])
	require.Equal(t, 1, s.Calls()["GetExecution"], "only where the workflow was not given")
	got, err := c.RunningNodes(t.Context(), flyte.Execution{ID: execution("nobody")})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestRunningNodesOnAllLevels(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	w := train(
		flytesim.Step{ID: "n0", Sub: "outer", Timeout: time.Hour},
		flytesim.Step{ID: "n1", Branch: []flytesim.Step{{ID: "n2", Timeout: time.Minute}, {ID: "n3", Timeout: time.Second}}},
		flytesim.Step{ID: "n4", Each: &flytesim.Step{ID: "any", Timeout: 4 * time.Minute}},
		flytesim.Step{ID: "n5"},
	)
	w.Subs = map[string][]flytesim.Step{
		"outer": {{ID: "n0", Timeout: 2 * time.Minute}, {ID: "n1", Sub: "inner"}},
		"inner": {{ID: "n1", Timeout: 3 * time.Minute}},
	}
	s.RegisterWorkflow(w)
	for _, node := range []string{"n0", "n0-0-n0", "n0-0-n1-2-n1", "n0-0-n1", "n4-0-n7", "n4"} {
		s.SetNode(execution("a"), node, "RUNNING")
	}
	s.SetDynamic(execution("a"), "n5", flytesim.Workflow{Steps: []flytesim.Step{{ID: "dn1", Timeout: 5 * time.Minute}}})
	s.SetNode(execution("a"), "n5-1-dn1", "QUEUED")
	runs(t, s, "n1", "", "n1")
	runs(t, s, "n1-0-n3", "n1", "n3")
	c := newClient(t, s)
	for range 2 {
		require.Equal(t, map[string]time.Duration{
			"n0": time.Hour, "n0-0-n0": 2 * time.Minute, "n0-0-n1": 0, "n0-0-n1-2-n1": 3 * time.Minute,
			"n1": 0, "n1-0-n3": time.Second,
			"n4": 0, "n4-0-n7": 4 * time.Minute,
			"n5": 0, "n5-1-dn1": 5 * time.Minute,
		}, timeouts(t, c))
	}
	require.Equal(t, 1, s.Calls()["GetDynamicNodeWorkflow"], "an attempt makes one workflow")
}

// runs sends a propeller's event, which does not call a branch a parent.
func runs(t *testing.T, s *flytesim.Server, node, parent, spec string) {
	t.Helper()
	e := &event.NodeExecutionEvent{
		Id: &core.NodeExecutionIdentifier{
			NodeId:      node,
			ExecutionId: &core.WorkflowExecutionIdentifier{Project: "ml", Domain: "production", Name: "a"},
		},
		SpecNodeId: spec, Phase: core.NodeExecution_RUNNING, OccurredAt: timestamppb.New(started),
	}
	if parent != "" {
		e.ParentNodeMetadata = &event.ParentNodeExecutionMetadata{NodeId: parent}
	}
	_, err := s.CreateNodeEvent(t.Context(), &admin.NodeExecutionEventRequest{Event: e})
	require.NoError(t, err)
}

func TestRunningNodesWithoutAWorkflowHaveNoLimits(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.RegisterWorkflow(train(flytesim.Step{ID: "n0", Sub: "inner", Timeout: time.Hour}))
	s.SetNode(execution("a"), "n0-0-n0", "RUNNING")
	s.SetNode(execution("a"), "n0", "RUNNING")
	s.SetDynamic(execution("a"), "n1", flytesim.Workflow{Steps: []flytesim.Step{{ID: "dn0", Timeout: time.Hour}}})
	s.SetNode(execution("a"), "n1-0-dn0", "RUNNING")
	s.SetFault("GetWorkflow", flytesim.Fault{Code: codes.Internal})
	s.SetFault("GetDynamicNodeWorkflow", flytesim.Fault{Code: codes.Internal})
	c := newClient(t, s)
	require.Equal(t, map[string]time.Duration{"n0": 0, "n0-0-n0": 0, "n1": 0, "n1-0-dn0": 0}, timeouts(t, c))
	s.ClearFaults()
	require.Equal(t, map[string]time.Duration{"n0": time.Hour, "n0-0-n0": 0, "n1": 0, "n1-0-dn0": time.Hour}, timeouts(t, c))
}

func TestRunningNodesAreBounded(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	deep := "n0" + strings.Repeat("-0-n0", 30)
	s.SetNode(execution("a"), deep, "RUNNING")
	for node := deep; strings.Contains(node, "-"); {
		node = strings.TrimSuffix(node, "-0-n0")
		s.SetNode(execution("a"), node, "RUNNING", flytesim.At(created))
	}
	c := newClient(t, s)
	require.Len(t, timeouts(t, c), 16, "levels")
	for i := range 300 {
		s.SetNode(execution("a"), fmt.Sprintf("m%d-0-n0", i), "RUNNING")
		s.SetNode(execution("a"), fmt.Sprintf("m%d", i), "RUNNING", flytesim.At(started))
	}
	before := s.Calls()["ListNodeExecutions"]
	require.Len(t, timeouts(t, c), 100+49, "the oldest below the execution, and what is in 49 of them")
	require.Equal(t, 50, s.Calls()["ListNodeExecutions"]-before)
}

func TestARetriedDynamicNodeMadeAnotherWorkflow(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	c := newClient(t, s)
	for attempt := range 2 {
		limit := time.Duration(attempt+1) * time.Hour
		s.SetDynamic(execution("a"), "n0", flytesim.Workflow{Steps: []flytesim.Step{{ID: "dn0", Timeout: limit}}})
		node := fmt.Sprintf("n0-%d-dn0", attempt)
		// Nobody told of the end of the first attempt's node.
		s.SetNode(execution("a"), node, "RUNNING", flytesim.At(started.Add(limit)))
		require.Equal(t, limit, timeouts(t, c)[node])
	}
}
