package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// What an `if` may look at, so that one evaluation stays short.
const (
	maxTextSeen   = 64 << 10 // bytes of the error's message; the rest is cut
	maxInputNodes = 10_000   // values in all inputs together
	maxInputBytes = 1 << 20  // bytes of their texts
)

// stepName is the variable behind which a loop looks at the clock; no condition may name it.
const stepName = "__step"

// Facts are what a rule's `if` sees of an execution, or of its watched node.
type Facts struct {
	Phase      string
	Elapsed    time.Duration
	Labels     map[string]string
	Project    string
	Domain     string
	Name       string
	Workflow   string
	LaunchPlan string
	User       string
	Node       string // the watched node's id
	ConsoleURL string
	Error      ErrorFacts
	Inputs     map[string]any // of the notification task
}

// ErrorFacts are why it failed; all empty when it did not.
type ErrorFacts struct {
	Kind    string
	Code    string
	Message string
}

// environment holds the facts under the names that conditions use.
type environment struct {
	Phase      string            `expr:"phase"`
	Elapsed    time.Duration     `expr:"elapsed"`
	Labels     map[string]string `expr:"labels"`
	Project    string            `expr:"project"`
	Domain     string            `expr:"domain"`
	Name       string            `expr:"name"`
	Workflow   string            `expr:"workflow"`
	LaunchPlan string            `expr:"launch_plan"`
	User       string            `expr:"user"`
	Node       string            `expr:"node"`
	ConsoleURL string            `expr:"console_url"`
	Error      errorEnvironment  `expr:"error"`
	Inputs     map[string]any    `expr:"inputs"`
	Step       func() bool       `expr:"__step"`
}

type errorEnvironment struct {
	Kind    string `expr:"kind"`
	Code    string `expr:"code"`
	Message string `expr:"message"`
}

// Variables are the names that an `if` may use, in the order of the docs.
func Variables() []string { return fieldNames(reflect.TypeFor[environment]()) }

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("expr"); name != stepName {
			names = append(names, name)
		}
	}
	return names
}

// newEnvironment bounds the facts. Inputs are looked through only for those who read them.
func newEnvironment(f Facts, readsInput bool) (*environment, error) {
	env := &environment{
		Phase: f.Phase, Elapsed: f.Elapsed, Labels: f.Labels, Project: f.Project, Domain: f.Domain, Name: f.Name,
		Workflow: f.Workflow, LaunchPlan: f.LaunchPlan, User: f.User, Node: f.Node, ConsoleURL: f.ConsoleURL,
		Error: errorEnvironment{Kind: f.Error.Kind, Code: f.Error.Code, Message: cut(f.Error.Message)},
	}
	if readsInput {
		b := &bounded{}
		env.Inputs, _ = b.value(f.Inputs).(map[string]any)
		if b.nodes > maxInputNodes || b.bytes > maxInputBytes {
			return nil, fmt.Errorf("the inputs are too large for an if: more than %d values or %d bytes", maxInputNodes, maxInputBytes)
		}
	}
	return env, nil
}

func cut(s string) string {
	if len(s) <= maxTextSeen {
		return s
	}
	return strings.ToValidUTF8(s[:maxTextSeen], "")
}

// bounded copies inputs, and stops where they are too large.
type bounded struct{ nodes, bytes int }

func (b *bounded) value(v any) any {
	b.nodes++
	if b.nodes > maxInputNodes || b.bytes > maxInputBytes {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, min(len(v), maxInputNodes))
		for key, value := range v {
			b.bytes += len(key)
			m[key] = b.value(value)
			if b.nodes > maxInputNodes {
				break
			}
		}
		return m
	case []any:
		l := make([]any, 0, min(len(v), maxInputNodes))
		for _, value := range v {
			if l = append(l, b.value(value)); b.nodes > maxInputNodes {
				break
			}
		}
		return l
	case string:
		b.bytes += len(v)
	case json.Number: // a number in JSON's own text, kept so that it prints exactly
		if n, err := v.Int64(); err == nil {
			return n
		}
		if n, err := v.Float64(); err == nil {
			return n
		}
		return v.String()
	}
	return v
}
