package spec

import (
	"cmp"
	"time"
)

// WhenKind is the key of a `when`.
type WhenKind string

// The kinds of conditions.
const (
	WhenPhase         WhenKind = "phase"          // Phases: one of them was entered
	WhenRunningFor    WhenKind = "running_for"    // For: it runs for so long
	WhenQueuedFor     WhenKind = "queued_for"     // For: it was created so long ago, and has not started
	WhenDeadline      WhenKind = "deadline"       // Deadline: it has not ended by then
	WhenGate          WhenKind = "gate"           // an approval or a signal is awaited
	WhenNode          WhenKind = "node"           // NodeID, NodePhases: a node of it entered one of the phases
	WhenBeforeTimeout WhenKind = "before_timeout" // For: so long before its own limit

	// In subscriptions, of all executions of a launch plan that are selected:
	WhenFirstFailure WhenKind = "first_failure"  // the first that failed since one did not
	WhenRecovered    WhenKind = "recovered"      // the first that succeeded since one failed
	WhenNoSuccessFor WhenKind = "no_success_for" // For: none has succeeded for so long
	WhenFailureRate  WhenKind = "failure_rate"   // Rate: so many of the last ones failed
)

// When is what must happen. Of the fields besides Kind those are set that its kind has.
type When struct {
	Kind     WhenKind      `json:"kind,omitempty"`   // empty: WhenPhase
	Phases   []string      `json:"phases,omitempty"` // of flyteidl's WorkflowExecution.Phase, or of NodeExecution.Phase where a node is watched
	For      time.Duration `json:"for,omitempty"`
	Deadline *Deadline     `json:"deadline,omitempty"`
	NodeID   string        `json:"node_id,omitempty"` // flyteadmin's node_id, nested as n0-0-n1
	// NodePhases are those of NodeID. They are no Phases, so that a server of a version that knows nothing else
	// does not tell of the execution's.
	NodePhases []string `json:"node_phases,omitempty"`
	Rate       *Rate    `json:"rate,omitempty"`
}

// Rate is how many of the last executions failed: at least AtLeast of Of.
type Rate struct {
	Of      int `json:"of"`
	AtLeast int `json:"at_least"`
}

// Is returns the kind.
func (w When) Is() WhenKind { return cmp.Or(w.Kind, WhenPhase) }

// Deadline is a time by which an execution shall have ended: exactly one field is set.
type Deadline struct {
	At    time.Time      `json:"at,omitzero"`
	In    *time.Duration `json:"in,omitempty"` // from its start
	Daily *Daily         `json:"daily,omitempty"`
}

// Time returns when the deadline is, for an execution that was created and started at these times. It is
// zero where that is not known yet: an execution that has not started has no deadline.in.
func (d Deadline) Time(created, started time.Time) time.Time {
	switch {
	case d.Daily != nil && !created.IsZero():
		return d.Daily.After(created)
	case d.In != nil && !started.IsZero():
		return started.Add(*d.In)
	}
	return d.At
}

// String is the deadline as its author wrote it: 6h0m0s, 18:00 Europe/Paris, or RFC 3339.
func (d Deadline) String() string {
	switch {
	case d.Daily != nil:
		return d.Daily.String()
	case d.In != nil:
		return d.In.String()
	}
	return d.At.Format(time.RFC3339Nano)
}
