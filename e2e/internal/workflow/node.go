package workflow

import (
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/protobuf/types/known/durationpb"
)

// core is the node as flytekit serializes it.
func (n Node) core(task *core.Identifier) *core.Node {
	meta := &core.NodeMetadata{Name: n.ID, Retries: &core.RetryStrategy{Retries: n.Retries}}
	if n.Timeout > 0 {
		meta.Timeout = durationpb.New(n.Timeout)
	}
	node := &core.Node{
		Id: n.ID, Metadata: meta, UpstreamNodeIds: n.After,
		Target: &core.Node_TaskNode{TaskNode: &core.TaskNode{
			Reference: &core.TaskNode_ReferenceId{ReferenceId: task},
		}},
	}
	for _, i := range n.Inputs {
		node.Inputs = append(node.Inputs, i.binding())
	}
	return node
}

func (i Input) binding() *core.Binding {
	if i.From == "" {
		return &core.Binding{Var: i.Name, Binding: constant(i.Bind)}
	}
	node, output, _ := strings.Cut(i.From, ".")
	return &core.Binding{Var: i.Name, Binding: &core.BindingData{Value: &core.BindingData_Promise{
		Promise: &core.OutputReference{NodeId: node, Var: output},
	}}}
}

func constant(l *core.Literal) *core.BindingData {
	return &core.BindingData{Value: &core.BindingData_Scalar{Scalar: l.GetScalar()}}
}

// Text is a string as a literal.
func Text(s string) *core.Literal {
	return &core.Literal{Value: &core.Literal_Scalar{Scalar: &core.Scalar{Value: &core.Scalar_Primitive{
		Primitive: &core.Primitive{Value: &core.Primitive_StringValue{StringValue: s}},
	}}}}
}
