// Package workflow makes the FlyteWorkflow objects that flyteadmin would make for an execution,
// with the compiler that flyteadmin uses.
package workflow

import (
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flytepropeller/pkg/apis/flyteworkflow/v1alpha1"
	"github.com/flyteorg/flyte/flytepropeller/pkg/compiler"
	"github.com/flyteorg/flyte/flytepropeller/pkg/compiler/transformers/k8s"
	"google.golang.org/protobuf/types/known/structpb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// Spec is an execution of a workflow.
type Spec struct {
	ID    flyte.ExecutionID
	Name  string // the workflow's
	Nodes []Node
}

// Node is one node that runs one task of its own.
type Node struct {
	ID      string
	Type    string         // the task's type
	Custom  map[string]any // the task's custom, as decoded from JSON
	After   []string       // nodes that come first
	Inputs  []Input
	Outputs map[string]*core.LiteralType
	Retries uint32
	Timeout time.Duration // of one attempt of the node
}

// Input is a task's input: an output of another node, or a value.
type Input struct {
	Name string
	Type *core.LiteralType
	From string        // "node.output"; empty: Value
	Bind *core.Literal // the value
}

// String is the type of flytekit's str.
func String() *core.LiteralType {
	return &core.LiteralType{Type: &core.LiteralType_Simple{Simple: core.SimpleType_STRING}}
}

// Dict is the type of flytekit's dict.
func Dict() *core.LiteralType {
	return &core.LiteralType{Type: &core.LiteralType_Simple{Simple: core.SimpleType_STRUCT}}
}

// List is a list of the type.
func List(of *core.LiteralType) *core.LiteralType {
	return &core.LiteralType{Type: &core.LiteralType_CollectionType{CollectionType: of}}
}

// Build compiles the workflow and returns the object for the namespace, as flyteadmin fills it.
func Build(s Spec) (*v1alpha1.FlyteWorkflow, error) {
	tasks := make([]*core.CompiledTask, 0, len(s.Nodes))
	nodes := make([]*core.Node, 0, len(s.Nodes))
	for _, n := range s.Nodes {
		template, err := s.task(n)
		if err != nil {
			return nil, err
		}
		task, err := compiler.CompileTask(template)
		if err != nil {
			return nil, fmt.Errorf("compile the task of %s: %w", n.ID, err)
		}
		tasks, nodes = append(tasks, task), append(nodes, n.core(template.GetId()))
	}
	closure, err := compiler.CompileWorkflow(&core.WorkflowTemplate{
		Id: s.identifier(core.ResourceType_WORKFLOW, s.Name), Nodes: nodes, Interface: &core.TypedInterface{},
		Metadata: &core.WorkflowMetadata{}, MetadataDefaults: &core.WorkflowMetadataDefaults{},
	}, nil, tasks, nil)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", s.Name, err)
	}
	return s.object(closure)
}

func (s Spec) object(closure *core.CompiledWorkflowClosure) (*v1alpha1.FlyteWorkflow, error) {
	id := &core.WorkflowExecutionIdentifier{Project: s.ID.Project, Domain: s.ID.Domain, Name: s.ID.Name}
	wf, err := k8s.BuildFlyteWorkflow(closure, &core.LiteralMap{}, id, Namespace(s.ID))
	if err != nil {
		return nil, fmt.Errorf("build the FlyteWorkflow %s: %w", s.ID.Name, err)
	}
	now := metav1.NewTime(time.Now())
	wf.ExecutionID = v1alpha1.WorkflowExecutionIdentifier{WorkflowExecutionIdentifier: id}
	wf.AcceptedAt = &now
	wf.ServiceAccountName = "default"
	wf.SecurityContext = core.SecurityContext{RunAs: &core.Identity{K8SServiceAccount: "default"}}
	wf.WorkflowMeta = &v1alpha1.WorkflowMeta{EventVersion: v1alpha1.EventVersion2}
	return wf, nil
}

// Namespace is where flyteadmin puts an execution's object.
func Namespace(id flyte.ExecutionID) string { return id.Project + "-" + id.Domain }

func (s Spec) identifier(t core.ResourceType, name string) *core.Identifier {
	return &core.Identifier{ResourceType: t, Project: s.ID.Project, Domain: s.ID.Domain, Name: name, Version: "v1"}
}

func (s Spec) task(n Node) (*core.TaskTemplate, error) {
	custom, err := structpb.NewStruct(n.Custom)
	if err != nil {
		return nil, fmt.Errorf("custom of %s: %w", n.ID, err)
	}
	in, out := map[string]*core.Variable{}, map[string]*core.Variable{}
	for _, i := range n.Inputs {
		in[i.Name] = &core.Variable{Type: i.Type}
	}
	for name, t := range n.Outputs {
		out[name] = &core.Variable{Type: t}
	}
	return &core.TaskTemplate{
		Id:     s.identifier(core.ResourceType_TASK, s.Name+"."+n.ID),
		Type:   n.Type,
		Custom: custom,
		Metadata: &core.TaskMetadata{
			Runtime: &core.RuntimeMetadata{Type: core.RuntimeMetadata_FLYTE_SDK, Version: "1.16.31", Flavor: "python"},
			Retries: &core.RetryStrategy{Retries: n.Retries},
		},
		Interface: &core.TypedInterface{
			Inputs: &core.VariableMap{Variables: in}, Outputs: &core.VariableMap{Variables: out},
		},
	}, nil
}
