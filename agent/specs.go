package agent

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/internal/memo"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

const specsKept = 256

// specs reads the specs of notification tasks. The executions of a workflow all bring the same one: what
// it came to is remembered for those that watch the execution they run in, by project and domain.
type specs struct {
	env   spec.Env // of every task, but for its caller and inputs
	known *memo.Memo[reading]
}

// reading is what a spec came to.
type reading struct {
	task     *spec.Task // nil: there are problems
	document json.RawMessage
	problems []notifier.Problem
}

func newSpecs(o Options) *specs {
	s := &specs{env: spec.Env{Registry: o.Registry, Connections: o.Connections, AllowCrossProject: o.AllowCrossProject}}
	s.known = memo.New(specsKept, s.readKey)
	return s
}

// of returns the environment of a task.
func (s *specs) of(caller spec.Execution, inputs map[string]any) spec.Env {
	env := s.env
	env.Caller, env.Inputs = caller, inputs
	return env
}

// task reads a spec; raw is its deterministic encoding.
func (s *specs) task(raw []byte, custom *structpb.Struct, env spec.Env) reading {
	known := s.known.Of(env.Caller.Project + "\x00" + env.Caller.Domain + "\x00" + string(raw))
	if known.task != nil {
		if task, same := known.task.For(env.Caller); same {
			return reading{task: task, document: known.document}
		}
	}
	return read(custom, env)
}

// readKey reads a spec as some execution of the domain that is part of the key would bring it.
func (s *specs) readKey(key string) reading {
	project, rest, _ := strings.Cut(key, "\x00")
	domain, raw, _ := strings.Cut(rest, "\x00")
	custom := &structpb.Struct{}
	if err := proto.Unmarshal([]byte(raw), custom); err != nil {
		return reading{} // it is not remembered, and read as it came
	}
	return read(custom, s.of(spec.Execution{Project: project, Domain: domain, Name: "any"}, nil))
}

func read(custom *structpb.Struct, env spec.Env) (r reading) {
	if r.task, r.problems = spec.ParseTask(custom.AsMap(), env); r.task == nil {
		return r
	}
	var err error
	if r.document, err = json.Marshal(r.task); err != nil {
		return reading{problems: []notifier.Problem{{Path: "custom", Text: err.Error()}}}
	}
	return r
}
