package workflow_test

import (
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/workflow"
	"github.com/flyte-notifier/flyte-notifier/flyte"
)

func spec(nodes ...workflow.Node) workflow.Spec {
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "e1"}
	return workflow.Spec{ID: id, Name: "train", Nodes: nodes}
}

func TestTheObjectIsFlyteadmins(t *testing.T) {
	t.Parallel()
	wf, err := workflow.Build(spec(
		workflow.Node{
			ID: "watch", Type: "notification", Custom: map[string]any{"wait": true}, Retries: 2, Timeout: time.Minute,
			Outputs: map[string]*core.LiteralType{"phase": workflow.String(), "deliveries": workflow.List(workflow.Dict())},
		},
		workflow.Node{
			ID: "read", Type: "e2e_job", After: []string{"watch"}, Inputs: []workflow.Input{
				{Name: "phase", Type: workflow.String(), From: "watch.phase"},
				{Name: "word", Type: workflow.String(), Bind: workflow.Text("hello")},
			},
		},
	))
	require.NoError(t, err)
	require.Equal(t, "e1", wf.Name)
	require.Equal(t, "ml-production", wf.Namespace)
	require.Equal(t, "e1", wf.ExecutionID.GetName())
	require.Equal(t, "train", wf.Labels["workflow-name"])
	require.Equal(t, time.Minute, wf.Nodes["watch"].ExecutionDeadline.Duration)
	require.Equal(t, []string{"watch"}, wf.Connections.Upstream["read"])
	task := wf.Tasks[*wf.Nodes["watch"].TaskRef]
	require.Equal(t, "notification", task.GetType())
	require.True(t, task.GetCustom().GetFields()["wait"].GetBoolValue())
	require.Equal(t, uint32(2), task.GetMetadata().GetRetries().GetRetries())
}

func TestAMistakeIsAnError(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]workflow.Node{
		"an unknown upstream node": {ID: "a", Type: "t", After: []string{"b"}},
		"an unknown output":        {ID: "a", Type: "t", Inputs: []workflow.Input{{Name: "x", Type: workflow.String(), From: "b.y"}}},
		"custom that is no JSON":   {ID: "a", Type: "t", Custom: map[string]any{"x": func() {}}},
	} {
		_, err := workflow.Build(spec(n))
		require.Error(t, err, name)
	}
}
