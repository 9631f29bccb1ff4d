package flyte_test

import (
	"fmt"
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// train is the workflow of trained.
func train(steps ...flytesim.Step) flytesim.Workflow {
	return flytesim.Workflow{
		Scope: production, Name: "flows.train", Version: "v7", Steps: steps,
		Subs: map[string][]flytesim.Step{
			"inner":     {{ID: "n0", Input: "threshold", Type: "float"}, {ID: "n1", Sub: "innermost"}},
			"innermost": {{ID: "n0", Approve: "deploy"}, {ID: "n1", Sub: "inner"}}, // no compiler allows that, and no client hangs with it
		},
	}
}

func gates(t *testing.T, c *flyte.Client) []flyte.Gate {
	t.Helper()
	got, err := c.Gates(t.Context(), execution("a"))
	require.NoError(t, err)
	return got
}

func TestAGateIsThereUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.RegisterWorkflow(train(flytesim.Step{ID: "n0"}, flytesim.Step{ID: "n1", Approve: "go"}, flytesim.Step{ID: "n2", Input: "rows", Type: "integer"}))
	c := newClient(t, s)
	require.Empty(t, gates(t, c))
	require.Empty(t, s.Calls()["GetWorkflow"], "nobody waits: nothing to look up")
	s.WaitAtGate(execution("a"), "n2", "rows", "integer")
	s.WaitAtGate(execution("a"), "n1", "go", "boolean")
	require.Equal(t, []flyte.Gate{
		{Signal: "go", Type: "boolean", Node: "n1", Approval: true},
		{Signal: "rows", Type: "integer", Node: "n2"},
	}, gates(t, c))
	s.Answer(execution("a"), "go", false)
	require.Equal(t, []flyte.Gate{{Signal: "rows", Type: "integer", Node: "n2"}}, gates(t, c))
	s.Answer(execution("a"), "rows", 0)
	require.Empty(t, gates(t, c))
	require.Equal(t, 1, s.Calls()["GetWorkflow"], "a version never changes")
	require.Equal(t, 1, s.Calls()["GetExecution"], "nor does an execution change its workflow")
	got, err := c.Gates(t.Context(), execution("nobody"))
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestGatesInOtherWorkflows(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.RegisterWorkflow(train(
		flytesim.Step{ID: "n0", Sub: "inner"},
		flytesim.Step{ID: "n1", Branch: []flytesim.Step{{ID: "b0", Approve: "first"}, {ID: "b1", Input: "second"}, {ID: "b2", Approve: "third"}}},
		flytesim.Step{ID: "n2", Each: &flytesim.Step{ID: "e", Approve: "each"}},
		flytesim.Step{ID: "n3", Approve: "twice"},
		flytesim.Step{ID: "n4", Input: "twice"},
	))
	want := []flyte.Gate{
		{Signal: "deploy", Node: "n0", Approval: true},
		{Signal: "dynamic"}, // of a node that was made while it ran
		{Signal: "each", Node: "e", Approval: true},
		{Signal: "first", Node: "b0", Approval: true},
		{Signal: "second", Node: "b1"},
		{Signal: "third", Node: "b2", Approval: true},
		{Signal: "threshold", Node: "n0"},
		{Signal: "twice"}, // which of the two cannot be told
	}
	for i := range want {
		want[i].Type = "boolean"
		s.WaitAtGate(execution("a"), fmt.Sprint("x", i), want[i].Signal, "boolean")
	}
	require.Equal(t, want, gates(t, newClient(t, s)))
}

func TestAWorkflowThatCannotBeReadHidesNoGate(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GetWorkflow", "GetExecution"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := flytesim.New()
			s.Create(trained("a"))
			s.RegisterWorkflow(train(flytesim.Step{ID: "n1", Approve: "go"}))
			s.WaitAtGate(execution("a"), "n1", "go", "boolean")
			s.SetFault(method, flytesim.Fault{Code: codes.Internal})
			c := newClient(t, s)
			require.Equal(t, []flyte.Gate{{Signal: "go", Type: "boolean"}}, gates(t, c))
			s.ClearFaults()
			require.Equal(t, []flyte.Gate{{Signal: "go", Type: "boolean", Node: "n1", Approval: true}}, gates(t, c), "a failure is not remembered")
		})
	}
}

func TestAWorkflowBeyondTheMessageLimitIsAskedForOnce(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	s.WaitAtGate(execution("a"), "n1", "go", "boolean")
	s.SetFault("GetWorkflow", flytesim.Fault{Code: codes.ResourceExhausted, Message: "grpc: received message larger than max (5 vs. 4)"})
	c := newClient(t, s)
	for range 2 {
		require.Equal(t, []flyte.Gate{{Signal: "go", Type: "boolean"}}, gates(t, c))
	}
	require.Equal(t, 1, s.Calls()["GetWorkflow"])
}

func TestManyGatesAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	for i := range 230 {
		signal := fmt.Sprintf("s%03d", 229-i)
		s.WaitAtGate(execution("a"), "n1", signal, "boolean")
		if i%10 == 0 {
			s.Answer(execution("a"), signal, true)
		}
	}
	got := gates(t, newClient(t, s))
	require.Len(t, got, 207)
	require.Equal(t, "s000", got[0].Signal)
	require.Equal(t, 3, s.Calls()["ListSignals"])
}

func TestTypesOfAnswers(t *testing.T) {
	t.Parallel()
	text := &core.LiteralType{Type: &core.LiteralType_Simple{Simple: core.SimpleType_STRING}}
	none := &core.LiteralType{Type: &core.LiteralType_Simple{Simple: core.SimpleType_NONE}}
	s := flytesim.New()
	s.Create(trained("a"))
	c := newClient(t, s)
	for want, kind := range map[string]*core.LiteralType{
		"string":             text,
		"list of string":     {Type: &core.LiteralType_CollectionType{CollectionType: text}},
		"map of string":      {Type: &core.LiteralType_MapValueType{MapValueType: text}},
		"one of red, green":  {Type: &core.LiteralType_EnumType{EnumType: &core.EnumType{Values: []string{"red", "green"}}}},
		"string or none":     {Type: &core.LiteralType_UnionType{UnionType: &core.UnionType{Variants: []*core.LiteralType{text, none}}}},
		"blob":               {Type: &core.LiteralType_Blob{Blob: &core.BlobType{}}},
		"schema":             {Type: &core.LiteralType_Schema{Schema: &core.SchemaType{}}},
		"structured dataset": {Type: &core.LiteralType_StructuredDatasetType{StructuredDatasetType: &core.StructuredDatasetType{}}},
		"unknown":            {},
	} {
		_, err := s.GetOrCreateSignal(t.Context(), &admin.SignalGetOrCreateRequest{
			Id:   &core.SignalIdentifier{SignalId: want, ExecutionId: &core.WorkflowExecutionIdentifier{Project: "ml", Domain: "production", Name: "a"}},
			Type: kind,
		})
		require.NoError(t, err)
	}
	got := gates(t, c)
	require.Len(t, got, 9)
	for _, g := range got {
		require.Equal(t, g.Signal, g.Type)
	}
}
