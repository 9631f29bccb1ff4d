package main

import (
	"fmt"
	"sync"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/protobuf/types/known/structpb"
)

// The shapes of a spec.
type (
	object = map[string]any
	list   = []any
)

// channels is over how many destinations messages are spread.
const channels = 100

// ownSpec is the spec of the i-th task that watches its own execution. They differ in nothing but the
// channel, and building one for each call would slow the caller, not the server.
func ownSpec(i int) *structpb.Struct { return ownSpecs()[i%channels] }

var ownSpecs = sync.OnceValue(func() (all [channels]*structpb.Struct) {
	for i := range all {
		all[i] = spec(i, own())
	}
	return all
})

// spec is a notification task's as users write it: two rules, one of them with a filter.
func spec(i int, watch object) *structpb.Struct {
	channel := fmt.Sprintf("C%08d", i%channels)
	s, err := structpb.NewStruct(object{
		"watch": watch["watch"], "wait": watch["wait"],
		"rules": list{
			object{
				"name": "failed", "when": object{"phase": list{"FAILED", "TIMED_OUT", "ABORTED"}},
				"send":    list{object{"slack": object{"connection": "team-slack", "channel": channel}}},
				"message": object{"title": "{{.Name}} {{.Phase}}", "body": "{{.Error}}"},
			},
			object{
				"when": object{"phase": list{"SUCCEEDED"}}, "if": `elapsed > duration("1h") && labels["team"] == "ml"`,
				"send": list{object{"slack": object{"channel": channel}}},
			},
		},
	})
	if err != nil {
		panic(err) // the literal above is wrong
	}
	return s
}

// own is a task that watches the execution it runs in and ends at once; waiting is one that runs
// until another execution, the next one, has ended.
func own() object { return object{"watch": object{"execution": "self"}, "wait": false} }

func waiting(i int) object {
	return object{"watch": object{"execution": object{"name": name(i + 1)}}, "wait": true}
}

// create is the call that FlytePropeller makes for a task that runs in the i-th execution.
func create(i int, custom *structpb.Struct) *admin.CreateTaskRequest {
	taskID := &core.Identifier{
		ResourceType: core.ResourceType_TASK, Project: scope.Project, Domain: scope.Domain, Name: "train.notify", Version: "v1",
	}
	return &admin.CreateTaskRequest{
		Inputs: &core.LiteralMap{Literals: map[string]*core.Literal{"rows": integer(int64(i)), "epochs": integer(12)}},
		Template: &core.TaskTemplate{
			Id: taskID, Type: "notification", Custom: custom,
			Metadata: &core.TaskMetadata{
				Runtime: &core.RuntimeMetadata{Type: core.RuntimeMetadata_FLYTE_SDK, Version: "1.16.31", Flavor: "python"},
				Retries: &core.RetryStrategy{Retries: 3},
			},
			Interface: &core.TypedInterface{
				Inputs:  &core.VariableMap{Variables: map[string]*core.Variable{"rows": variable(), "epochs": variable()}},
				Outputs: &core.VariableMap{},
			},
		},
		OutputPrefix: fmt.Sprintf("s3://flyte/metadata/propeller/%s-%s-%s/n3/data/0", scope.Project, scope.Domain, name(i)),
		TaskExecutionMetadata: &admin.TaskExecutionMetadata{
			TaskExecutionId: &core.TaskExecutionIdentifier{
				TaskId:          taskID,
				NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: "n3", ExecutionId: identifier(i)},
			},
			Namespace: scope.Project + "-" + scope.Domain,
			Labels: map[string]string{
				"execution-id": name(i), "workflow-name": "train", "node-id": "n3", "task-name": "train-notify",
				"project": scope.Project, "domain": scope.Domain,
			},
			K8SServiceAccount: "default",
		},
	}
}

func integer(n int64) *core.Literal {
	return &core.Literal{Value: &core.Literal_Scalar{Scalar: &core.Scalar{Value: &core.Scalar_Primitive{
		Primitive: &core.Primitive{Value: &core.Primitive_Integer{Integer: n}},
	}}}}
}

func variable() *core.Variable {
	return &core.Variable{Type: &core.LiteralType{Type: &core.LiteralType_Simple{Simple: core.SimpleType_INTEGER}}}
}

// get is the call that FlytePropeller repeats.
func get(meta []byte) *admin.GetTaskRequest {
	return &admin.GetTaskRequest{
		TaskType: "notification", ResourceMeta: meta,
		TaskCategory: &admin.TaskCategory{Name: "notification"},
	}
}
