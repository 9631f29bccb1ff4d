// Package render makes the neutral message from templates and facts. It knows no service: Block
// Kit lives in notifier/slack, HTML in notifier/email.
//
// Templates are written by the authors of tasks, so they are treated as outside input: they see
// the variables of Data and a small set of functions (see functions.go), never the environment,
// files or the network; and a budget ends those that would run long or grow large.
package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Data are the template variables of a message: the facts of the execution when its rule fired.
// The field names are fixed by the task's interface; they are stored as JSON with the delivery,
// so that a message reads the same whenever it is sent.
type Data struct {
	Org             string `json:",omitzero"` // where Flyte knows organizations
	Project         string
	Domain          string
	Name            string
	Phase           string
	Error           string // message of the error; an abort's cause
	ErrorKind       string // USER, SYSTEM or ABORTED
	ErrorCode       string
	Workflow        string
	WorkflowVersion string
	LaunchPlan      string
	User            string
	Labels          map[string]string
	StartedAt       time.Time
	Elapsed         time.Duration // from StartedAt to the occurrence, or to the end
	ConsoleURL      string
	Node            string // the watched node
	FailedNode      string // the node that failed, where known
	Rule            string
	Reason          string  // "phase:FAILED"
	Repeat          int     // 0 for the first message
	Skipped         int     `json:",omitzero"` // reminders that were missed before this one
	Escalation      int     `json:",omitzero"` // which entry of the rule's escalate this is, from 1; 0: its send
	Gate            Gate    `json:",omitzero"` // what the execution waits for
	History         History `json:",omitzero"` // of the launch plan, in a subscription
	Inputs          map[string]any
	Run             Run       // Flyte 2's names for the same
	At              time.Time // when the occurrence happened
}

// History is how the executions of a launch plan ended, as the rule's subscription selects them.
type History struct {
	Failures    int       // in a row: those that go on, or that just ended with a success
	Since       time.Time // the first of them
	LastSuccess time.Time // zero: none is known
}

// Run holds Flyte 2's names.
type Run struct {
	Name    string
	Project string
	Domain  string
}

// Template is what a spec's `message` holds: Go text/template texts; empty ones mean the default.
type Template struct {
	Title    string `json:"title,omitempty"`
	Body     string `json:"body,omitempty"`
	Markdown bool   `json:"markdown,omitempty"` // what Body renders to is Markdown
}

// Content is what a delivery stores to make its message from.
type Content struct {
	Template Template
	Data     Data
	Digest   *Digest `json:",omitempty"` // of a message that stands for several; its Template is empty
	// LeftOut are the keys of the destination whose templates came to nothing that could be used.
	LeftOut []notifier.Problem `json:",omitempty"`
}

// Marshal is the content as a delivery stores it.
func (c Content) Marshal() (json.RawMessage, error) { return json.Marshal(c) }

// Unmarshal reads what Marshal wrote. Whole numbers in Inputs become int64 exactly (uint64 beyond
// it), all others float64, so that templates can compare them.
func Unmarshal(raw json.RawMessage) (Content, error) {
	var c Content
	if err := decodeExact(raw, &c); err != nil {
		return Content{}, fmt.Errorf("read message content: %w", err)
	}
	withNumbers(c.Data.Inputs)
	return c, nil
}

// decodeExact reads JSON, keeping the digits of numbers of no given type as json.Number.
func decodeExact(raw json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec.Decode(into)
}

// withNumbers replaces the json.Numbers of a decoded tree, in place where it can.
func withNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return exact(v.String())
	case []any:
		for i := range v {
			v[i] = withNumbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = withNumbers(v[key])
		}
	}
	return v
}

// exact is a JSON number as the narrowest type that holds it. A number that no float64 holds
// stays the text it was.
func exact(literal string) any {
	if i, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(literal, 10, 64); err == nil {
		return u
	}
	if f, err := strconv.ParseFloat(literal, 64); err == nil {
		return f
	}
	return literal
}
