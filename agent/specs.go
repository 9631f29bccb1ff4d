package agent

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/internal/memo"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

const specsKept = 256

// specs reads the specs of notification tasks. The executions of a workflow all bring the same one: what
// it came to is remembered for those that watch the execution they run in, by project and domain. What was
// judged by other connections must not be remembered: those have specs of their own.
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

func newSpecs(r *notifier.Registry, c *notifier.Connections, allowCrossProject bool) *specs {
	return &specs{
		env:   spec.Env{Registry: r, Connections: c, AllowCrossProject: allowCrossProject},
		known: memo.New[reading](specsKept, nil),
	}
}

// of returns the environment of a task.
func (s *specs) of(caller spec.Execution, inputs map[string]any) spec.Env {
	env := s.env
	env.Caller, env.Inputs = caller, inputs
	return env
}

// task reads a spec. What is known of one was read for another execution of the same project and domain.
func (s *specs) task(custom *structpb.Struct, env spec.Env) reading {
	key := string(canonical(make([]byte, 0, 1<<10), custom, env.Caller.Project, env.Caller.Domain))
	if known, ok := s.known.Get(key); ok {
		if task, same := known.task.For(env.Caller); same {
			return reading{task: task, document: known.document}
		}
	}
	r := read(custom, env)
	if r.task != nil {
		if _, own := r.task.For(env.Caller); own {
			s.known.Put(key, r)
		}
	}
	return r
}

func read(custom *structpb.Struct, env spec.Env) (r reading) {
	if problems := oversize(custom); problems != nil {
		return reading{problems: problems}
	}
	if r.task, r.problems = spec.ParseTask(custom.AsMap(), env); r.task == nil {
		return r
	}
	var err error
	if r.document, err = json.Marshal(r.task); err != nil {
		return reading{problems: []notifier.Problem{{Path: "custom", Text: err.Error()}}}
	}
	return r
}

// canonical appends texts and a struct so that only equal ones come to the same bytes. Protobuf's own
// deterministic encoding takes several times as long.
func canonical(b []byte, s *structpb.Struct, texts ...string) []byte {
	for _, text := range texts {
		b = appendText(b, text)
	}
	return appendStruct(b, s)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendStruct(b []byte, s *structpb.Struct) []byte {
	b = binary.AppendUvarint(append(b, '{'), uint64(len(s.GetFields())))
	for _, key := range slices.Sorted(maps.Keys(s.GetFields())) {
		b = appendValue(appendText(b, key), s.GetFields()[key])
	}
	return b
}

func appendValue(b []byte, v *structpb.Value) []byte {
	switch v := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return appendText(append(b, '"'), v.StringValue)
	case *structpb.Value_NumberValue:
		return binary.BigEndian.AppendUint64(append(b, '0'), math.Float64bits(v.NumberValue))
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(b, v.BoolValue)
	case *structpb.Value_StructValue:
		return appendStruct(b, v.StructValue)
	case *structpb.Value_ListValue:
		b = binary.AppendUvarint(append(b, '['), uint64(len(v.ListValue.GetValues())))
		for _, entry := range v.ListValue.GetValues() {
			b = appendValue(b, entry)
		}
		return b
	}
	return append(b, '-') // a null, or nothing, which reads as one
}
