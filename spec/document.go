package spec

import (
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// taskDocument is a notification task's spec as it is written.
type taskDocument struct {
	Watch watchDocument  `json:"watch" doc:"what to watch; default: the execution that runs this task"`
	Wait  bool           `json:"wait" default:"false" doc:"the task runs until the watched execution has ended and its messages are settled"`
	Rules []ruleDocument `json:"rules" required:"true" min:"1" max:"100" doc:"what to tell, when, and to whom"`
}

type watchDocument struct {
	Execution executionDocument `json:"execution" doc:"self, {project, domain, name}, or {input: NAME} for an input of the task that holds a name"`
	Node      string            `json:"node" doc:"id of a node of the execution, as flyteadmin's node_id (n0-0-n1 when nested)"`
}

type ruleDocument struct {
	Name    string          `json:"name" doc:"unique in the task; default: made from when"`
	When    whenDocument    `json:"when" required:"true" doc:"what must happen: exactly one key"`
	If      string          `json:"if" doc:"an expression (expr-lang) that must hold as well"`
	Send    []any           `json:"send" required:"true" min:"1" max:"100" doc:"destinations, each with exactly one notifier"`
	Message messageDocument `json:"message" doc:"what to say; default: a message that suits the phase"`

	Repeat   *repeatDocument      `json:"repeat" doc:"reminders while nothing has changed"`
	Escalate []escalationDocument `json:"escalate" min:"1" max:"20" doc:"whom to tell as well when it lasts"`

	For     time.Duration    `json:"for" doc:"how long what happened must last before it is told; default: not at all"`
	Group   *groupDocument   `json:"group" doc:"one message for several occurrences, with counts and a list"`
	Quiet   *quietDocument   `json:"quiet" doc:"hours in which nothing is sent; what happens then is told at their end, in one message to each destination"`
	Inhibit *inhibitDocument `json:"inhibit" doc:"what makes the rule keep quiet"`

	Fallback []any `json:"fallback" min:"1" max:"100" doc:"whom to tell instead when the message to every destination of send is dead"`
}

type repeatDocument struct {
	Every time.Duration `json:"every" required:"true" doc:"how long after the last message"`
	Max   int           `json:"max" min:"1" doc:"messages after the first, at most; required for phases that are an end; default: no limit"`
	Until string        `json:"until" enum:"ended,acknowledged" doc:"ended: while it lasts; acknowledged: until somebody acknowledges it, as he may in any case; default: ended, and acknowledged for phases that are an end"`
}

type escalationDocument struct {
	After time.Duration `json:"after" required:"true" doc:"how long after the first message"`
	Send  []any         `json:"send" required:"true" min:"1" max:"100" doc:"destinations, each with exactly one notifier"`
}

type messageDocument struct {
	Title string `json:"title" doc:"one line, Go text/template"`
	Body  string `json:"body" doc:"Go text/template"`

	Format string `json:"format" enum:"text,markdown" default:"text" doc:"what body is; markdown shows as such in e-mail and Slack, and as it is written elsewhere; without HTML and images"`
}

// sendDocument is a notification_send task's spec as it is written.
type sendDocument struct {
	Send    []any           `json:"send" required:"true" min:"1" max:"100" doc:"destinations, each with exactly one notifier"`
	Message messageDocument `json:"message" doc:"what to say; default: the state of the execution"`
	Require string          `json:"require" enum:"accepted,delivered" default:"accepted" doc:"what makes the task succeed: that the message is stored, or that it is delivered"`
}

// executionDocument is `self` in its zero form.
type executionDocument struct {
	Project string
	Domain  string
	Name    string
	Input   string
}

// executionKeys are the keys of an execution that is not `self`.
type executionKeys struct {
	Project string `json:"project" doc:"default: the task's own"`
	Domain  string `json:"domain" doc:"default: the task's own"`
	Name    string `json:"name"`
	Input   string `json:"input" doc:"a task input that holds a name, or project/domain/name"`
}

// DecodeStrict reads self or one of the two mappings.
func (e *executionDocument) DecodeStrict(tree any) []notifier.Problem {
	if tree == "self" {
		return nil
	}
	m, ok := tree.(map[string]any)
	if !ok {
		got := strict.Name(tree)
		if s, isString := tree.(string); isString {
			got = strict.Quote(s)
		}
		return []notifier.Problem{{Text: "must be self, {project, domain, name} or {input: NAME}, not " + got}}
	}
	var keys executionKeys
	problems := strict.Decode(tree, &keys)
	_, byName := m["name"]
	_, byInput := m["input"]
	switch {
	case byInput && len(m) > 1 && len(problems) == 0:
		problems = append(problems, notifier.Problem{Text: "must be either {project, domain, name} or {input: NAME}"})
	case byInput && keys.Input == "" && len(problems) == 0:
		problems = append(problems, notifier.Problem{Path: "input", Text: "required"})
	case !byInput && (!byName || keys.Name == "" && len(problems) == 0):
		problems = append(problems, notifier.Problem{Path: "name", Text: "required"})
	}
	*e = executionDocument(keys)
	return problems
}

// JSONSchema describes the three forms.
func (executionDocument) JSONSchema() map[string]any {
	keys := strict.Describe(executionKeys{})
	for _, key := range []string{"project", "domain", "name"} {
		identifierSchema(keys, key)
	}
	restrict(keys, "name", map[string]any{"minLength": 1.0})
	restrict(keys, "input", map[string]any{"minLength": 1.0})
	all := keys["properties"].(map[string]any)
	input := map[string]any{"input": all["input"]}
	delete(all, "input")
	keys["required"] = []any{"name"}
	return map[string]any{"default": "self", "oneOf": []any{
		map[string]any{"const": "self"},
		keys,
		map[string]any{"type": "object", "properties": input, "required": []any{"input"}, "additionalProperties": false},
	}}
}
