package flyte

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
)

// Gate is something that an execution waits to be told: an approval, or an input.
type Gate struct {
	Signal string // by which it is answered
	Type   string // of the answer: "boolean", "integer", "list of string", "one of red, green"
	// Node is the gate node's id in the workflow that it stands in: "n1", also when that workflow is
	// a node of another. It is empty when several gates wait for the same signal, and while the
	// workflow cannot be read; nodes that a dynamic node made are not looked into.
	Node     string
	Approval bool // yes or no to go on; false where Node is not known
}

// Gates returns what an execution waits for, by signal. A gate is there from when its node first runs,
// and gone once it is answered. Flyteadmin keeps one that nobody answered when the execution ends
// or the gate times out: what has ended waits for nothing, whatever this returns. An execution
// that flyteadmin does not know waits for nothing. A workflow that cannot be read is no error.
func (c *Client) Gates(ctx context.Context, id ExecutionID) ([]Gate, error) {
	if !id.valid() {
		return nil, fmt.Errorf("list signals of %q: %w", id, ErrNotFound)
	}
	gates, err := c.unanswered(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list signals of %s: %w", id, err)
	}
	if len(gates) == 0 {
		return nil, nil
	}
	if o := c.outlineOf(ctx, id); o != nil {
		for i, g := range gates {
			gates[i].Node, gates[i].Approval = o.gates[g.Signal].node, o.gates[g.Signal].approval
		}
	}
	return gates, nil
}

// unanswered reads all signals, sorted by what never changes, so that an answer meanwhile moves no
// other to a page that was read.
func (c *Client) unanswered(ctx context.Context, id ExecutionID) ([]Gate, error) {
	var gates []Gate
	token := ""
	for range mostPages {
		list, err := c.signals.ListSignals(ctx, &admin.SignalListRequest{
			WorkflowExecutionId: id.proto(), Limit: pageSize, Token: token,
			SortBy: &admin.Sort{Key: "signal_id", Direction: admin.Sort_ASCENDING},
		})
		if err != nil {
			return nil, err
		}
		for _, s := range list.GetSignals() {
			if s.GetValue().GetValue() == nil {
				gates = append(gates, Gate{Signal: s.GetId().GetSignalId(), Type: typeName(s.GetType())})
			}
		}
		if token = list.GetToken(); token == "" {
			return slices.CompactFunc(gates, func(a, b Gate) bool { return a.Signal == b.Signal }), nil
		}
	}
	return nil, fmt.Errorf("more than %d", mostPages*pageSize)
}

// typeName is a type as people say it.
func typeName(t *core.LiteralType) string {
	switch kind := t.GetType().(type) {
	case *core.LiteralType_Simple:
		return strings.ToLower(kind.Simple.String())
	case *core.LiteralType_CollectionType:
		return "list of " + typeName(kind.CollectionType)
	case *core.LiteralType_MapValueType:
		return "map of " + typeName(kind.MapValueType)
	case *core.LiteralType_EnumType:
		return "one of " + strings.Join(kind.EnumType.GetValues(), ", ")
	case *core.LiteralType_UnionType:
		var names []string
		for _, v := range kind.UnionType.GetVariants() {
			names = append(names, typeName(v))
		}
		return strings.Join(names, " or ")
	case *core.LiteralType_Blob:
		return "blob"
	case *core.LiteralType_Schema:
		return "schema"
	case *core.LiteralType_StructuredDatasetType:
		return "structured dataset"
	}
	return "unknown"
}
