package flytesim

import (
	"context"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// Workflow is a version of a workflow, as its registration leaves it.
type Workflow struct {
	Scope   flyte.Scope
	Name    string
	Version string
	Steps   []Step
	Subs    map[string][]Step // the workflows that are nodes of it or of each other, by name
}

// Step is a node of a workflow: a task, or what the first of the fields that is set says.
type Step struct {
	ID      string
	Timeout time.Duration
	Approve string // a gate: the signal that approves
	Input   string // a gate: the signal that brings an input
	Type    string // of that input; default: boolean
	Sub     string // a sub-workflow, by its name in Subs
	Branch  []Step // a conditional: one of these nodes runs
	Each    *Step  // an array of this node
}

type workflowKey struct {
	flyte.Scope
	name, version string
}

// RegisterWorkflow makes a workflow known; executions need none. Versions never change: one that is known
// already is replaced, which no client has to notice.
func (s *Server) RegisterWorkflow(w Workflow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workflows[workflowKey{w.Scope, w.Name, w.Version}] = &admin.Workflow{
		Id:      w.id(w.Name),
		Closure: &admin.WorkflowClosure{CompiledWorkflow: w.compiled()},
	}
}

// SetDynamic makes a node a dynamic one that runs the workflow that it made. It panics on an unknown
// execution.
func (s *Server) SetDynamic(id flyte.ExecutionID, node string, w Workflow, changes ...Change) {
	s.SetNode(id, node, "DYNAMIC_RUNNING", changes...)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.must(id).nodes[node]
	n.isDynamic, n.isParent, n.dynamic = true, true, w.compiled()
}

func (w Workflow) id(name string) *core.Identifier {
	return &core.Identifier{
		ResourceType: core.ResourceType_WORKFLOW, Org: w.Scope.Org, Project: w.Scope.Project, Domain: w.Scope.Domain,
		Name: name, Version: w.Version,
	}
}

func (w Workflow) compiled() *core.CompiledWorkflowClosure {
	out := &core.CompiledWorkflowClosure{Primary: w.template(w.Name, w.Steps)}
	for name, steps := range w.Subs {
		out.SubWorkflows = append(out.SubWorkflows, w.template(name, steps))
	}
	return out
}

func (w Workflow) template(name string, steps []Step) *core.CompiledWorkflow {
	return &core.CompiledWorkflow{Template: &core.WorkflowTemplate{Id: w.id(name), Nodes: w.nodes(steps)}}
}

func (w Workflow) nodes(steps []Step) []*core.Node {
	var nodes []*core.Node
	for _, step := range steps {
		nodes = append(nodes, w.node(step))
	}
	return nodes
}

func (w Workflow) node(step Step) *core.Node {
	n := &core.Node{Id: step.ID, Metadata: &core.NodeMetadata{Name: step.ID}}
	if step.Timeout > 0 {
		n.Metadata.Timeout = durationpb.New(step.Timeout)
	}
	switch {
	case step.Approve != "":
		n.Target = gate(&core.GateNode{Condition: &core.GateNode_Approve{Approve: &core.ApproveCondition{SignalId: step.Approve}}})
	case step.Input != "":
		kind := step.Type
		if kind == "" {
			kind = "boolean"
		}
		n.Target = gate(&core.GateNode{Condition: &core.GateNode_Signal{Signal: &core.SignalCondition{
			SignalId: step.Input, Type: simple(kind), OutputVariableName: "o0",
		}}})
	case step.Sub != "":
		n.Target = &core.Node_WorkflowNode{WorkflowNode: &core.WorkflowNode{
			Reference: &core.WorkflowNode_SubWorkflowRef{SubWorkflowRef: w.id(step.Sub)},
		}}
	case len(step.Branch) > 0:
		n.Target = &core.Node_BranchNode{BranchNode: &core.BranchNode{IfElse: w.branch(step.Branch)}}
	case step.Each != nil:
		n.Target = &core.Node_ArrayNode{ArrayNode: &core.ArrayNode{Node: w.node(*step.Each)}}
	default:
		n.Target = &core.Node_TaskNode{TaskNode: &core.TaskNode{}}
	}
	return n
}

func gate(g *core.GateNode) *core.Node_GateNode { return &core.Node_GateNode{GateNode: g} }

// branch puts the first node in the case, the last one, if there are more, in the else, and the
// others between.
func (w Workflow) branch(steps []Step) *core.IfElseBlock {
	b := &core.IfElseBlock{Case: &core.IfBlock{ThenNode: w.node(steps[0])}}
	for i, step := range steps[1:] {
		if i == len(steps)-2 {
			b.Default = &core.IfElseBlock_ElseNode{ElseNode: w.node(step)}
			continue
		}
		b.Other = append(b.Other, &core.IfBlock{ThenNode: w.node(step)})
	}
	return b
}

// GetWorkflow answers a workflow that was registered.
func (s *Server) GetWorkflow(_ context.Context, req *admin.ObjectGetRequest) (*admin.Workflow, error) {
	id := req.GetId()
	if id.GetResourceType() != core.ResourceType_WORKFLOW {
		return nil, status.Errorf(codes.InvalidArgument, "unexpected resource type %s for identifier [%v], expected workflow instead", id.GetResourceType(), id)
	}
	for _, field := range [][2]string{
		{"project", id.GetProject()}, {"domain", id.GetDomain()}, {"name", id.GetName()}, {"version", id.GetVersion()},
	} {
		if field[1] == "" {
			return nil, status.Errorf(codes.InvalidArgument, "missing %s", field[0])
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	sc := flyte.Scope{Org: id.GetOrg(), Project: id.GetProject(), Domain: id.GetDomain()}
	w := s.workflows[workflowKey{sc, id.GetName(), id.GetVersion()}]
	if w == nil {
		return nil, status.Errorf(codes.NotFound, "missing entity of type workflow with identifier %v", id)
	}
	return w, nil
}

// GetDynamicNodeWorkflow answers what a dynamic node made, while it runs that.
func (s *Server) GetDynamicNodeWorkflow(_ context.Context, req *admin.GetDynamicNodeWorkflowRequest) (*admin.DynamicNodeWorkflowResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.known(req.GetId().GetExecutionId())
	if err != nil {
		return nil, err
	}
	n := r.nodes[req.GetId().GetNodeId()]
	switch {
	case n == nil:
		return nil, noNode(r, req.GetId().GetNodeId())
	case n.dynamic == nil:
		return nil, status.Error(codes.NotFound, "node does not contain dynamic workflow")
	}
	return &admin.DynamicNodeWorkflowResponse{CompiledWorkflow: n.dynamic}, nil
}
