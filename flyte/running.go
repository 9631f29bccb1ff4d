package flyte

import (
	"context"
	"fmt"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
)

// mostLists bounds the calls of one RunningNodes: a list for each parent.
const mostLists = 50

// stillRunning are the phases of nodes that a timeout can end.
const stillRunning = "value_in(phase,QUEUED;RUNNING;DYNAMIC_RUNNING)"

// parentNode is a node whose children are to be listed; the zero one is the execution itself.
type parentNode struct {
	id      string
	level   level
	dynamic bool
	depth   int
}

// RunningNodes returns the nodes of an execution that are queued or running, outer ones first, each
// with the Timeout that its workflow gives it; zero where the workflow cannot be read. Of x it
// needs the ID and the workflow. Flyteadmin lists the nodes below one parent a call: of each
// parent the 100 oldest are read, down to 16 levels, in at most 50 calls; what is beyond that
// is left out. ErrNotFound if the ID cannot be.
func (c *Client) RunningNodes(ctx context.Context, x Execution) ([]Node, error) {
	if !x.ID.valid() {
		return nil, fmt.Errorf("list running nodes of %q: %w", x.ID, ErrNotFound)
	}
	var out []Node
	queue := []parentNode{{}}
	for calls := 0; len(queue) > 0 && calls < mostLists; calls++ {
		p := queue[0]
		queue = queue[1:]
		nodes, err := c.runningBelow(ctx, x.ID, p.id)
		if err != nil {
			return nil, fmt.Errorf("list running nodes of %s: %w", x.ID, notFound(err))
		}
		if len(nodes) > 0 {
			p.level = c.levelOf(ctx, x, p, nodes[len(nodes)-1])
		}
		for _, n := range nodes {
			s := p.level.step(n.GetMetadata().GetSpecNodeId())
			node := newNode(n)
			node.Timeout = s.timeout
			out = append(out, node)
			// In lists flyteadmin calls a parent whatever it knows nodes of, a branch too.
			if n.GetMetadata().GetIsParentNode() && p.depth+1 < deepestNode {
				queue = append(queue, parentNode{
					id: node.ID, level: s.below, dynamic: n.GetMetadata().GetIsDynamic(), depth: p.depth + 1,
				})
			}
		}
	}
	return out, nil
}

// runningBelow lists the oldest of what runs directly below parent.
func (c *Client) runningBelow(ctx context.Context, id ExecutionID, parent string) ([]*admin.NodeExecution, error) {
	list, err := c.admin.ListNodeExecutions(ctx, &admin.NodeExecutionListRequest{
		WorkflowExecutionId: id.proto(), UniqueParentId: parent, Limit: widestList, Filters: stillRunning,
		SortBy: &admin.Sort{Key: "node_execution_created_at", Direction: admin.Sort_ASCENDING},
	})
	return list.GetNodeExecutions(), err
}

// levelOf returns what the nodes below a parent have to tell, of which child is the youngest: one of an
// attempt before may not have been told of its end.
func (c *Client) levelOf(ctx context.Context, x Execution, p parentNode, child *admin.NodeExecution) level {
	var o *outline
	switch {
	case p.dynamic:
		o = c.dynamicOutline(ctx, x.ID, p.id, attempt(child))
	case p.id == "" && x.WorkflowScope.Project != "":
		o = c.outline(ctx, workflowID{Scope: x.WorkflowScope, name: x.Workflow, version: x.WorkflowVersion})
	case p.id == "":
		o = c.outlineOf(ctx, x.ID)
	default:
		return p.level
	}
	if o == nil {
		return nil
	}
	return o.top
}

// dynamicOutline is of the workflow that an attempt of a dynamic node made; nil when it cannot be read
// now.
func (c *Client) dynamicOutline(ctx context.Context, id ExecutionID, node string, attempt int) *outline {
	key := fmt.Sprintf("%q %q %d", []string{id.Org, id.Project, id.Domain, id.Name}, node, attempt)
	if o, ok := c.outlines.Get(key); ok {
		return o
	}
	answer, err := c.admin.GetDynamicNodeWorkflow(ctx, &admin.GetDynamicNodeWorkflowRequest{
		Id: &core.NodeExecutionIdentifier{NodeId: node, ExecutionId: id.proto()},
	})
	if err != nil && !tooLarge(err) {
		return nil
	}
	o := newOutline(answer.GetCompiledWorkflow())
	c.outlines.Put(key, o)
	return o
}
