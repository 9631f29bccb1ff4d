// Package render makes the neutral message from templates and facts. It knows no service: Block
// Kit lives in notifier/slack, HTML in notifier/email.
package render

import (
	"encoding/json"
	"time"
)

// Data are the template variables of a message: the facts of the execution when its rule fired.
// The field names are fixed by the task's interface; they are stored as JSON with the delivery,
// so that a message reads the same whenever it is sent.
type Data struct {
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
	Reason          string // "phase:FAILED"
	Repeat          int    // 0 for the first message
	Inputs          map[string]any
	Run             Run       // Flyte 2's names for the same
	At              time.Time // when the occurrence happened
}

// Run holds Flyte 2's names.
type Run struct {
	Name    string
	Project string
	Domain  string
}

// Template is what a spec's `message` holds: Go text/template texts; empty ones mean the default.
type Template struct {
	Title string `json:"title,omitempty"`
	Body  string `json:"body,omitempty"`
}

// Content is what a delivery stores to make its message from.
type Content struct {
	Template Template
	Data     Data
}

// Marshal is the content as a delivery stores it.
func (c Content) Marshal() (json.RawMessage, error) { return json.Marshal(c) }
