package flyte

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
)

// Node returns a node of an execution by flyteadmin's id ("n0-0-n1" when nested), or ErrNotFound:
// the execution is unknown, or the node has not started.
func (c *Client) Node(ctx context.Context, id ExecutionID, node string) (Node, error) {
	if !id.valid() || !validPart(node) {
		return Node{}, fmt.Errorf("get node %q of %q: %w", node, id, ErrNotFound)
	}
	req := &admin.NodeExecutionGetRequest{Id: &core.NodeExecutionIdentifier{NodeId: node, ExecutionId: id.proto()}}
	n, err := c.admin.GetNodeExecution(ctx, req)
	if err != nil {
		return Node{}, fmt.Errorf("get node %s of %s: %w", node, id, notFound(err))
	}
	return newNode(n), nil
}

func newNode(n *admin.NodeExecution) Node {
	c := n.GetClosure()
	out := Node{
		ID: n.GetId().GetNodeId(), Phase: c.GetPhase().String(),
		CreatedAt: moment(c.GetCreatedAt()), StartedAt: moment(c.GetStartedAt()),
		Parent: n.GetMetadata().GetIsParentNode(),
	}
	switch c.GetPhase() {
	case core.NodeExecution_FAILING, core.NodeExecution_FAILED, core.NodeExecution_TIMED_OUT, core.NodeExecution_ABORTED:
		out.Error = newError(c.GetError())
	}
	if NodeTerminal(out.Phase) {
		out.EndedAt = end(out.StartedAt, c.GetDuration(), c.GetUpdatedAt())
	}
	return out
}

const (
	deepestNode = 16  // levels of sub-workflows that FailedNode goes down
	widestList  = 100 // failed nodes that it looks at on each
)

// FailedNode returns the id of the node that made the execution fail: the first that failed, and
// within it, if it holds others, the first of those. It is empty when none failed.
func (c *Client) FailedNode(ctx context.Context, id ExecutionID) (string, error) {
	if !id.valid() {
		return "", fmt.Errorf("find failed node of %q: %w", id, ErrNotFound)
	}
	found := ""
	for range deepestNode {
		n, err := c.failedBelow(ctx, id, found)
		if err != nil {
			return found, fmt.Errorf("find failed node of %s: %w", id, notFound(err))
		}
		if n == nil {
			break
		}
		found = n.GetId().GetNodeId()
		if !n.GetMetadata().GetIsParentNode() {
			break
		}
	}
	return found, nil
}

// failedBelow returns the failed node directly below parent, or nil. Flyteadmin lists one level
// at a time.
func (c *Client) failedBelow(ctx context.Context, id ExecutionID, parent string) (*admin.NodeExecution, error) {
	list, err := c.admin.ListNodeExecutions(ctx, &admin.NodeExecutionListRequest{
		WorkflowExecutionId: id.proto(), UniqueParentId: parent,
		Limit: widestList, Filters: "value_in(phase,FAILED;TIMED_OUT)",
	})
	if err != nil || len(list.GetNodeExecutions()) == 0 {
		return nil, err
	}
	return slices.MinFunc(list.GetNodeExecutions(), byBlame), nil
}

// byBlame sorts first what made its parent fail: a node of the parent's last attempt, and of
// those the one that failed first.
func byBlame(a, b *admin.NodeExecution) int {
	return cmp.Or(
		cmp.Compare(attempt(b), attempt(a)),
		moment(a.GetClosure().GetUpdatedAt()).Compare(moment(b.GetClosure().GetUpdatedAt())),
		cmp.Compare(a.GetId().GetNodeId(), b.GetId().GetNodeId()),
	)
}

// attempt is the parent's attempt that a node belongs to; its retry group says it as text.
func attempt(n *admin.NodeExecution) int {
	group, err := strconv.Atoi(n.GetMetadata().GetRetryGroup())
	if err != nil {
		return 0
	}
	return group
}
