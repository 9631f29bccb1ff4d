package flyte

import (
	"context"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
)

// workflowID names a version of a workflow.
type workflowID struct {
	Scope
	name, version string
}

// newWorkflowID turns flyteidl's identifier into ours.
func newWorkflowID(id *core.Identifier) workflowID {
	return workflowID{Scope: scopeOf(id), name: id.GetName(), version: id.GetVersion()}
}

func (w workflowID) key() string {
	return fmt.Sprintf("%q", []string{w.Org, w.Project, w.Domain, w.name, w.version})
}

// outline is what of a compiled workflow matters here. The nil outline is of one that is not known.
type outline struct {
	gates map[string]gate // by signal
	top   level
}

// gate is what waits for a signal.
type gate struct {
	node     string // empty when several wait for the same
	approval bool
}

// level is the nodes of one workflow that have something to tell, by their ids in its spec.
type level map[string]step

// step is a node: its limit, and the nodes in it; nil for none.
type step struct {
	timeout time.Duration
	below   level
}

// anyNode stands in a level for every id: the nodes of an array are made from one, and numbered.
const anyNode = ""

func (l level) step(id string) step {
	if s, ok := l[id]; ok {
		return s
	}
	return l[anyNode]
}

// reader makes an outline. Workflows that several nodes refer to are read once.
type reader struct {
	templates map[workflowID]*core.WorkflowTemplate
	levels    map[workflowID]level
	gates     map[string]gate
}

func newOutline(c *core.CompiledWorkflowClosure) *outline {
	r := reader{templates: map[workflowID]*core.WorkflowTemplate{}, levels: map[workflowID]level{}, gates: map[string]gate{}}
	for _, sub := range c.GetSubWorkflows() {
		r.templates[newWorkflowID(sub.GetTemplate().GetId())] = sub.GetTemplate()
	}
	top := level{}
	r.nodes(top, c.GetPrimary().GetTemplate())
	return &outline{gates: r.gates, top: top}
}

// below is the nodes of a sub-workflow.
func (r *reader) below(id workflowID) level {
	l, known := r.levels[id]
	if !known {
		l = level{}
		r.levels[id] = l // before it is filled: nothing but a bad spec refers to itself, which must not hang
		r.nodes(l, r.templates[id])
	}
	return l
}

func (r *reader) nodes(l level, t *core.WorkflowTemplate) {
	for _, n := range t.GetNodes() {
		r.node(l, n.GetId(), n)
	}
	if n := t.GetFailureNode(); n != nil {
		r.node(l, n.GetId(), n)
	}
}

// node notes a node under an id, which is its own but for what is in an array.
func (r *reader) node(l level, id string, n *core.Node) {
	s := step{timeout: n.GetMetadata().GetTimeout().AsDuration()}
	switch target := n.GetTarget().(type) {
	case *core.Node_GateNode:
		r.gate(n.GetId(), target.GateNode)
	case *core.Node_WorkflowNode:
		if ref := target.WorkflowNode.GetSubWorkflowRef(); ref != nil {
			s.below = r.below(newWorkflowID(ref))
		}
	case *core.Node_BranchNode:
		s.below = level{}
		r.branch(s.below, target.BranchNode.GetIfElse())
	case *core.Node_ArrayNode:
		s.below = level{}
		r.node(s.below, anyNode, target.ArrayNode.GetNode())
	}
	if s.timeout > 0 || s.below != nil {
		l[id] = s
	}
}

func (r *reader) branch(l level, b *core.IfElseBlock) {
	for _, block := range append([]*core.IfBlock{b.GetCase()}, b.GetOther()...) {
		if n := block.GetThenNode(); n != nil {
			r.node(l, n.GetId(), n)
		}
	}
	if n := b.GetElseNode(); n != nil {
		r.node(l, n.GetId(), n)
	}
}

// gate notes who waits for a signal. An execution has one of each id, whoever waits for it.
func (r *reader) gate(node string, g *core.GateNode) {
	signal, approval := g.GetSignal().GetSignalId(), false
	if a := g.GetApprove(); a != nil {
		signal, approval = a.GetSignalId(), true
	}
	if signal == "" {
		return // it sleeps
	}
	if other, ok := r.gates[signal]; ok {
		approval = approval && other.approval
		if other.node != node {
			node = ""
		}
	}
	r.gates[signal] = gate{node: node, approval: approval}
}

// outline returns what is known of a workflow: nil when it cannot be read now.
func (c *Client) outline(ctx context.Context, w workflowID) *outline {
	if o, ok := c.outlines.Get(w.key()); ok {
		return o
	}
	answer, err := c.admin.GetWorkflow(ctx, &admin.ObjectGetRequest{Id: &core.Identifier{
		ResourceType: core.ResourceType_WORKFLOW, Org: w.Org, Project: w.Project, Domain: w.Domain, Name: w.name, Version: w.version,
	}})
	o := newOutline(answer.GetClosure().GetCompiledWorkflow())
	switch {
	case tooLarge(err): // it will always be: do not load it again and again
	case err != nil:
		return nil
	}
	c.outlines.Put(w.key(), o)
	return o
}

// outlineOf returns what is known of the workflow that an execution runs.
func (c *Client) outlineOf(ctx context.Context, id ExecutionID) *outline {
	key := fmt.Sprintf("%q", []string{id.Org, id.Project, id.Domain, id.Name})
	w, ok := c.workflows.Get(key)
	if !ok {
		e, err := c.admin.GetExecution(ctx, &admin.WorkflowExecutionGetRequest{Id: id.proto()})
		if err != nil || e.GetClosure().GetWorkflowId() == nil {
			return nil
		}
		w = newWorkflowID(e.GetClosure().GetWorkflowId())
		c.workflows.Put(key, w)
	}
	return c.outline(ctx, w)
}
