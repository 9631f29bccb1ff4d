package e2e

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/grpcproxy"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/jobs"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/workflow"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// object is JSON, as a task's custom is written.
type object = map[string]any

// list is a JSON list.
type list = []any

func execution(name string) flyte.ExecutionID {
	return flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name}
}

// run creates an execution in flyteadmin and its FlyteWorkflow in the cluster.
func (w *world) run(name string, nodes ...workflow.Node) flyte.ExecutionID {
	w.t.Helper()
	id := execution(name)
	require.NoError(w.t, w.create(id, nodes))
	return id
}

func (w *world) create(id flyte.ExecutionID, nodes []workflow.Node) error {
	w.flyte.Create(flytesim.Execution{
		ID: id, Workflow: "train", WorkflowVersion: "v1", User: "alice", Labels: map[string]string{"team": "ml"},
	})
	wf, err := workflow.Build(workflow.Spec{ID: id, Name: "train", Nodes: nodes})
	if err != nil {
		return err
	}
	_, err = w.kube.FlyteworkflowV1alpha1().FlyteWorkflows(wf.Namespace).Create(w.ctx, wf, metav1.CreateOptions{})
	return err
}

// terminate aborts an execution as a user does.
func (w *world) terminate(id flyte.ExecutionID, cause string) {
	w.t.Helper()
	_, err := w.flyte.TerminateExecution(w.ctx, &admin.ExecutionTerminateRequest{Id: identifier(id), Cause: cause})
	require.NoError(w.t, err)
}

// terminated deletes an aborted execution's object, as flyteadmin does; FlytePropeller's finalizer
// holds it until every node is aborted.
func (w *world) terminated(id flyte.ExecutionID) {
	background := metav1.DeletePropagationBackground
	err := w.kube.FlyteworkflowV1alpha1().FlyteWorkflows(workflow.Namespace(id)).
		Delete(w.ctx, id.Name, metav1.DeleteOptions{PropagationPolicy: &background})
	require.NoError(w.t, err)
}

func identifier(id flyte.ExecutionID) *core.WorkflowExecutionIdentifier {
	return &core.WorkflowExecutionIdentifier{Project: id.Project, Domain: id.Domain, Name: id.Name}
}

// phase is what flyteadmin knows of the execution.
func (w *world) phase(id flyte.ExecutionID) string {
	answer, err := w.flyte.GetExecution(w.ctx, &admin.WorkflowExecutionGetRequest{Id: identifier(id)})
	require.NoError(w.t, err)
	return answer.GetClosure().GetPhase().String()
}

// node is what flyteadmin knows of one node: its phase, empty before it began, and its error.
func (w *world) node(id flyte.ExecutionID, node string) (phase, message string) {
	answer, err := w.flyte.GetNodeExecution(w.ctx, &admin.NodeExecutionGetRequest{
		Id: &core.NodeExecutionIdentifier{ExecutionId: identifier(id), NodeId: node},
	})
	if err != nil {
		return "", ""
	}
	return answer.GetClosure().GetPhase().String(), answer.GetClosure().GetError().GetMessage()
}

func (w *world) awaitPhase(id flyte.ExecutionID, phase string) {
	w.t.Helper()
	w.eventually(id.Name+" is "+phase, func() bool { return w.phase(id) == phase })
}

func (w *world) awaitNode(id flyte.ExecutionID, node, phase string) {
	w.t.Helper()
	w.eventually(node+" is "+phase, func() bool { p, _ := w.node(id, node); return p == phase })
}

// awaitSaved waits until FlytePropeller has saved what its agent answered to the node's
// CreateTask. A node that is aborted before is forgotten: its agent never hears of it.
func (w *world) awaitSaved(id flyte.ExecutionID, node string) {
	w.t.Helper()
	w.eventually(node+" is saved with its resource meta", func() bool {
		wf, err := w.kube.FlyteworkflowV1alpha1().FlyteWorkflows(workflow.Namespace(id)).Get(w.ctx, id.Name, metav1.GetOptions{})
		require.NoError(w.t, err)
		s, ok := wf.Status.NodeStatus[node]
		// The meta is kept with the task's output prefix, which holds the node's id.
		return ok && s.TaskNodeStatus != nil && bytes.Contains(s.TaskNodeStatus.PluginState, []byte("/"+node+"/"))
	})
}

// start starts the agent and then FlytePropeller.
func (w *world) start() {
	w.t.Helper()
	w.startAgent()
	w.startPropeller()
}

func (w *world) startAgent() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	require.NoError(w.t, w.agent.Start(ctx))
	require.NoError(w.t, w.toAgent.Start())
}

// cutAgentOff makes the agent's address one where nobody listens, until startAgent.
func (w *world) cutAgentOff() {
	w.outages.Add(1)
	w.toAgent.Stop()
}

// killAgent ends the agent as kill -9 does; connections to it are cut at once. It may be called by
// a proxy's hook.
func (w *world) killAgent() {
	w.cutAgentOff()
	assert.NoError(w.t, w.agent.Kill())
}

func (w *world) startPropeller() {
	w.t.Helper()
	require.NoError(w.t, w.propeller.Start())
}

// killPropeller may be called by a proxy's hook.
func (w *world) killPropeller() { assert.NoError(w.t, w.propeller.Kill()) }

// job is a node whose outcome w.jobs decides.
func job(id string, after ...string) workflow.Node {
	return workflow.Node{ID: id, Type: jobs.TaskType, Custom: object{"job": id}, After: after}
}

// notification is a node with a notification task of these rules.
func notification(id string, spec object, after ...string) workflow.Node {
	return workflow.Node{ID: id, Type: "notification", Custom: spec, After: after}
}

// selfWatch is the spec of a notification about the execution that runs it, by Slack and mail.
func selfWatch(phases ...string) object { return object{"rules": list{rule(phases...)}} }

// rule tells Slack and mail of these phases.
func rule(phases ...string) object {
	wanted := list{}
	for _, p := range phases {
		wanted = append(wanted, p)
	}
	return object{"when": object{"phase": wanted}, "send": list{toSlack(), toMail()}}
}

func toSlack() object { return object{"slack": object{"channel": "#" + channel}} }
func toMail() object  { return object{"sendgrid": object{"to": list{"ml@example.org"}}} }

// tasks returns the attempts of tasks that came through the call, by output prefix, each once: on
// a busy machine FlytePropeller's view of the cluster lags, and it repeats itself.
func (w *world) tasks(call string) []string {
	w.t.Helper()
	once := map[string]bool{}
	for _, c := range w.toAgent.Calls(call) {
		once[prefix(w.t, c)] = true
	}
	return slices.Sorted(maps.Keys(once))
}

// prefix is the output prefix of a CreateTask or ExecuteTaskSync.
func prefix(t *testing.T, c grpcproxy.Call) string {
	t.Helper()
	if c.Method == "CreateTask" {
		r := &admin.CreateTaskRequest{}
		require.NoError(t, c.Request(0, r))
		return r.GetOutputPrefix()
	}
	r := &admin.ExecuteTaskSyncRequest{}
	require.NoError(t, c.Request(0, r))
	return r.GetHeader().GetOutputPrefix()
}
