package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// maxCustom bounds a task's custom: a spec is a few kilobytes.
const maxCustom = 256 << 10

// request is what both APIs hand over.
type request struct {
	template *core.TaskTemplate
	inputs   *core.LiteralMap
	prefix   string
	metadata *admin.TaskExecutionMetadata
	sync     bool // it must be answered at once
}

// CreateTask implements flyteidl's AsyncAgentService: validate, store, answer. It is idempotent,
// and its only error is Unavailable, when the store fails until just before the deadline.
func (s *Service) CreateTask(ctx context.Context, r *admin.CreateTaskRequest) (*admin.CreateTaskResponse, error) {
	m, err := s.accept(ctx, request{
		template: r.GetTemplate(), inputs: r.GetInputs(), prefix: r.GetOutputPrefix(), metadata: r.GetTaskExecutionMetadata(),
	})
	if err != nil {
		return nil, err
	}
	raw, err := m.encode()
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &admin.CreateTaskResponse{ResourceMeta: raw}, nil
}

// accept validates a task and stores its watch. A bad spec is no error: the meta tells of it.
func (s *Service) accept(ctx context.Context, r request) (meta, error) {
	who := identify(r.prefix, r.metadata)
	m, w, problems := s.read(r, who)
	if len(problems) > 0 {
		return meta{Attempt: who.attempt, Rejected: rejection(problems)}, nil
	}
	if err := s.register(ctx, w); err != nil {
		return meta{}, unavailable("store the notification task", err)
	}
	s.Registered(w.Kind)
	return m, nil
}

// read makes the watch that a task asks for, or lists everything that is wrong with it.
func (s *Service) read(r request, who identity) (meta, store.Watch, []notifier.Problem) {
	if size := proto.Size(r.template.GetCustom()); size > maxCustom {
		return meta{}, store.Watch{}, []notifier.Problem{{Path: "custom", Text: fmt.Sprintf("has %d bytes, at most %d are allowed", size, maxCustom)}}
	}
	inputs := decodeInputs(r.inputs)
	outputs, problems := declaredOutputs(r.template.GetInterface())
	w := store.Watch{
		ID: executor.NewID("w", who.key), Attempt: who.attempt, State: store.Active,
		Execution: who.own, Own: who.own, Outputs: outputs, CreatedAt: time.Now().UTC(),
	}
	m := meta{Watch: w.ID, Attempt: who.attempt, Outputs: outputs}
	env := spec.Env{
		Registry: s.Registry, Connections: s.Connections, Caller: spec.Execution{
			Org: who.own.Org, Project: who.own.Project, Domain: who.own.Domain, Name: who.own.Name,
		}, AllowCrossProject: s.AllowCrossProject, Inputs: inputs,
	}
	var err error
	switch custom := r.template.GetCustom().AsMap(); r.template.GetType() {
	case TypeNotification:
		var more []notifier.Problem
		more, err = readTask(custom, env, r.sync, &m, &w)
		problems = append(problems, more...)
	case TypeSend:
		var more []notifier.Problem
		more, err = readSend(custom, env, &m, &w)
		problems = append(problems, more...)
	default:
		problems = append(problems, notifier.Problem{
			Path: "type", Text: fmt.Sprintf("unknown task type %q; there are %s and %s", r.template.GetType(), TypeNotification, TypeSend),
		})
	}
	if err == nil {
		w.Inputs, err = json.Marshal(inputs)
	}
	if err != nil {
		problems = append(problems, notifier.Problem{Path: "custom", Text: err.Error()})
	}
	m.Kind = w.Kind
	return m, w, problems
}

func readTask(custom map[string]any, env spec.Env, sync bool, m *meta, w *store.Watch) ([]notifier.Problem, error) {
	task, problems := spec.ParseTask(custom, env)
	if len(problems) > 0 {
		return problems, nil
	}
	if sync && task.Wait {
		return []notifier.Problem{{Path: "wait", Text: "true needs the asynchronous API of agents, this call is the synchronous one"}}, nil
	}
	t := task.Target
	w.Kind, w.Wait, w.Node = store.Follow, task.Wait, t.Node
	w.Execution = flyte.ExecutionID{Scope: flyte.Scope{Org: t.Org, Project: t.Project, Domain: t.Domain}, Name: t.Name}
	m.Wait = task.Wait
	var err error
	w.Custom, err = json.Marshal(task)
	return nil, err
}

func readSend(custom map[string]any, env spec.Env, m *meta, w *store.Watch) ([]notifier.Problem, error) {
	task, problems := spec.ParseSend(custom, env)
	if len(problems) > 0 {
		return problems, nil
	}
	w.Kind, m.Require = store.Send, task.Require
	// An accepted send is done once it is stored; only its outputs make it wait for the store.
	m.Wait = task.Require == spec.RequireDelivered || len(m.Outputs) > 0
	w.Wait = m.Wait
	var err error
	w.Custom, err = json.Marshal(task)
	return nil, err
}
