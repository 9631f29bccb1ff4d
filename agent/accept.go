package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/tracing"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// maxCustom bounds a task's custom, in bytes: a spec is a few thousand.
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
	ctx, cancel := answerBy(ctx)
	defer cancel()
	m, err := s.accept(ctx, request{
		template: r.GetTemplate(), inputs: r.GetInputs(), prefix: r.GetOutputPrefix(), metadata: r.GetTaskExecutionMetadata(),
	})
	if err != nil {
		return nil, err
	}
	raw, err := m.encode()
	if err != nil {
		return nil, err
	}
	return &admin.CreateTaskResponse{ResourceMeta: raw}, nil
}

// accept validates a task and stores its watch. A bad spec is no error: the meta tells of it.
func (s *Service) accept(ctx context.Context, r request) (meta, error) {
	t := s.read(r)
	if len(t.problems) > 0 {
		return meta{Attempt: t.watch.Attempt, Rejected: rejection(t.problems)}, nil
	}
	t.watch.Trace = tracing.Carry(ctx)
	var stored store.Watch
	err := s.retry(ctx, "store the notification task", func() (err error) {
		stored, err = s.Store.Register(ctx, t.watch)
		return err
	})
	if err != nil {
		return meta{}, err
	}
	s.Registered(stored)
	w := t.watch
	return meta{Watch: w.ID, Attempt: w.Attempt, Kind: w.Kind, Wait: w.Wait, Require: t.require, Outputs: w.Outputs}, nil
}

// task is a request as it is read: the watch that it asks for, and all that is wrong with it.
type task struct {
	request
	env      spec.Env
	watch    store.Watch
	require  string // of a send
	problems []notifier.Problem
}

func (s *Service) read(r request) *task {
	who := identify(r.prefix, r.metadata)
	inputs := decodeInputs(r.inputs)
	specs := s.specs.Load() // the same for all of the task
	t := &task{
		request: r,
		env:     specs.of(spec.Execution{Org: who.own.Org, Project: who.own.Project, Domain: who.own.Domain, Name: who.own.Name}, inputs),
		watch: store.Watch{
			ID: store.NewID("w", who.key), Attempt: who.attempt, State: store.Active,
			Execution: who.own, Own: who.own, CreatedAt: time.Now().UTC(),
		},
	}
	t.watch.Inputs = t.document(inputs)
	t.watch.Outputs, t.problems = declaredOutputs(r.template.GetInterface())
	switch kind := r.template.GetType(); kind {
	case TypeNotification:
		t.notification(specs.task(r.template.GetCustom(), t.env))
	case TypeSend:
		t.send()
	default:
		t.refuse("type", fmt.Sprintf("unknown task type %q; there are %s and %s", cut(kind, maxName), TypeNotification, TypeSend))
	}
	return t
}

func (t *task) notification(r reading) {
	if len(r.problems) > 0 {
		t.problems = append(t.problems, r.problems...)
		return
	}
	parsed := r.task
	if t.sync && parsed.Wait {
		t.refuse("wait", "true needs the asynchronous API of agents, and this call is the synchronous one")
	}
	x := parsed.Target
	t.watch.Kind, t.watch.Wait, t.watch.Node = store.Follow, parsed.Wait, x.Node
	t.watch.Execution = flyte.ExecutionID{Scope: flyte.Scope{Org: x.Org, Project: x.Project, Domain: x.Domain}, Name: x.Name}
	t.watch.Custom = r.document
}

func (t *task) send() {
	if problems := oversize(t.template.GetCustom()); problems != nil {
		t.problems = append(t.problems, problems...)
		return
	}
	parsed, problems := spec.ParseSend(t.template.GetCustom().AsMap(), t.env)
	if len(problems) > 0 {
		t.problems = append(t.problems, problems...)
		return
	}
	// An accepted send is done once it is stored; only its outputs make it wait for more.
	t.watch.Kind, t.watch.Wait = store.Send, parsed.Require == spec.RequireDelivered || len(t.watch.Outputs) > 0
	t.require = parsed.Require
	t.watch.Custom = t.document(parsed)
}

// oversize says so of a spec that is too large. Measuring takes a while: only one that is not known is measured.
func oversize(custom *structpb.Struct) []notifier.Problem {
	if size := proto.Size(custom); size > maxCustom {
		return []notifier.Problem{{Path: "custom", Text: fmt.Sprintf("has %d bytes, at most %d are allowed", size, maxCustom)}}
	}
	return nil
}

func (t *task) refuse(path, text string) {
	t.problems = append(t.problems, notifier.Problem{Path: path, Text: text})
}

// document is a part of the watch as it is stored.
func (t *task) document(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		t.refuse("custom", err.Error())
	}
	return raw
}
