// Package spec is what a notification task says: parsed strictly from its custom Struct, with
// defaults filled in, names resolved against the server's connections, and every problem told at
// once with its path.
//
// It decides nothing and sends nothing. It knows services only through the notifiers' manifests,
// and imports neither flyte nor store: a spec can be judged where no Flyte is.
package spec

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

// Env is what a spec is judged against.
type Env struct {
	Registry *notifier.Registry
	// Connections are the server's. When nil, the spec is judged alone: connections, allow
	// lists and the watched execution are not looked up.
	Connections *notifier.Connections
	// Caller is the execution that the task runs in; zero outside of one.
	Caller Execution
	// AllowCrossProject says whether a task may watch executions of other projects.
	AllowCrossProject bool
	// Inputs are the task's inputs, for watch.execution {input: name}; nil when not known.
	Inputs map[string]any
}

// alone says whether the spec is judged without a server.
func (e Env) alone() bool { return e.Connections == nil }

// Execution names a workflow execution.
type Execution struct {
	Org     string `json:"org,omitempty"`
	Project string `json:"project,omitempty"`
	Domain  string `json:"domain,omitempty"`
	Name    string `json:"name,omitempty"`
}

// Task is the spec of a notification task. It is stored as JSON and, but for its target, read back as it
// was.
type Task struct {
	Target Target `json:"-"` // the watch holds it: all executions of a workflow store the same document
	Wait   bool   `json:"wait,omitempty"`
	Rules  []Rule `json:"rules"`

	// Unreadable are the rules of a stored task that are left out of Rules.
	Unreadable []Unreadable `json:"-"`

	own bool // it names no execution but watches the one that runs it
}

// For returns the task as another execution of the same project and domain would bring it, with the same
// rules. It is false for a task that names the execution it watches: only that one's caller can judge it.
func (t *Task) For(caller Execution) (*Task, bool) {
	if !t.own || !proper(caller) {
		return nil, false
	}
	same := *t
	same.Target.Execution = caller
	return &same, true
}

// Target is what a task watches. Its Name is empty where the spec was judged alone and does not
// say which execution it is.
type Target struct {
	Execution
	Self bool   `json:"self,omitempty"` // the execution that runs the task
	Node string `json:"node,omitempty"` // a node of it; empty for the whole
}

// Rule says what must happen, and what is then said to whom.
type Rule struct {
	Name     string          `json:"name"` // unique in the task
	When     When            `json:"when"`
	If       *Condition      `json:"if,omitempty"` // nil: always
	Send     []Step          `json:"send"`
	Message  render.Template `json:"message"`
	Repeat   *Repeat         `json:"repeat,omitempty"`   // nil: tell once
	Escalate []Escalation    `json:"escalate,omitempty"` // in order of time
	For      time.Duration   `json:"for,omitempty"`      // how long what happened must last
	Group    *Group          `json:"group,omitempty"`    // nil: each occurrence has its message
	Quiet    *Quiet          `json:"quiet,omitempty"`    // nil: never
	Inhibit  bool            `json:"inhibit,omitempty"`  // not when what contains it fails as well
	Fallback []Step          `json:"fallback,omitempty"` // whom to tell when every delivery to Send is dead
}

// Step is one destination to send to.
type Step struct {
	Kind        string          `json:"kind"`                 // the notifier
	Connection  string          `json:"connection,omitempty"` // its name; empty for stdout, or where judged alone
	Destination json.RawMessage `json:"destination"`          // the notifier's own keys; strings may be templates
	Path        string          `json:"path"`                 // where in the spec: rules[0].send[1].slack
}

// What a notification_send task requires before it succeeds.
const (
	RequireAccepted  = "accepted"  // that the message is stored, and so will be sent
	RequireDelivered = "delivered" // that the service took it
)

// SendTask is the spec of a notification_send task.
type SendTask struct {
	Send    []Step          `json:"send"`
	Message render.Template `json:"message"`
	Require string          `json:"require"`
}

// Place is a step's destination with its templates rendered.
type Place struct {
	Raw         json.RawMessage // what to store of it
	Address     string
	Destination notifier.Destination
	LeftOut     []notifier.Problem // templates that failed, or gave what cannot be: it does without them
}

// Addressed renders the destination of a notifier's message. With an error the message can never be sent, for no place is
// left to send it to: Raw is nil then, and Address the notifier's name.
func Addressed(reg *notifier.Registry, kind string, destination json.RawMessage, data render.Data) (Place, error) {
	nowhere := Place{Address: kind}
	m, ok := reg.Find(kind)
	if !ok {
		return nowhere, fmt.Errorf("notifier %s is not part of this version", kind)
	}
	check := func(tree any) []notifier.Problem { return strict.Decode(tree, m.Destination()) }
	raw, leftOut, err := render.Destination(destination, m.Destination(), data, check)
	if err != nil {
		return nowhere, err
	}
	d, err := Destination(m, raw)
	if err != nil && len(leftOut) > 0 {
		err = fmt.Errorf("%w, without %s", err, notifier.Join(leftOut))
	}
	if err != nil {
		return nowhere, err
	}
	return Place{Raw: raw, Address: d.Address(), Destination: d, LeftOut: leftOut}, nil
}

// Destination reads a step's destination, its templates rendered, for the manifest's notifier.
// The error lists everything that is wrong with it.
func Destination(m notifier.Manifest, raw json.RawMessage) (notifier.Destination, error) {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("read destination of %s: %w", m.Kind, err)
	}
	d := m.Destination()
	if problems := strict.Decode(tree, d); len(problems) > 0 {
		return nil, fmt.Errorf("read destination of %s: %s", m.Kind, notifier.Join(problems))
	}
	return d, nil
}
