// Package flyte is what we read from flyteadmin: which executions there are and which changed, their
// facts, what they wait for, and where the console shows them. It alone knows flyteidl's admin client and flyteadmin's filter
// language. It only reads: nothing here changes an execution.
package flyte

import (
	"errors"
	"time"
)

// ErrNotFound is returned for an execution or node that flyteadmin does not know.
var ErrNotFound = errors.New("not found")

// Scope is a project and domain: the unit in which flyteadmin lists executions. Org is empty
// but for the platforms that set it in identifiers.
type Scope struct {
	Org     string
	Project string
	Domain  string
}

// String is "project/domain", as in a connection's allow list.
func (s Scope) String() string { return s.Project + "/" + s.Domain }

// ExecutionID names one workflow execution.
type ExecutionID struct {
	Scope
	Name string
}

// String is "project/domain/name".
func (id ExecutionID) String() string { return id.Scope.String() + "/" + id.Name }

// Row is what a list call tells of an execution: enough to see that it changed, and to set a timer.
type Row struct {
	Name      string
	Phase     string    // flyteidl's WorkflowExecution.Phase by name: "RUNNING"
	CreatedAt time.Time // as in Execution
	StartedAt time.Time // as in Execution
}

// Execution is what rules and templates may know of an execution, as GetExecution gave it.
type Execution struct {
	ID              ExecutionID
	Phase           string // flyteidl's WorkflowExecution.Phase by name
	Error           ExecutionError
	Workflow        string // without project and version
	WorkflowVersion string
	WorkflowScope   Scope  // where the workflow is registered, which need not be where the execution runs
	LaunchPlan      string // without project and version
	LaunchPlanScope Scope  // as WorkflowScope
	User            string // the principal that started it
	Labels          map[string]string
	Tags            []string
	// Trigger is what started it: "schedule", "manual" (a relaunch too), or else flyteidl's mode in
	// lower case: "child_workflow", "recovered", "system", "trigger".
	Trigger string
	// Parent is the execution whose node launched this one; zero for all others. A relaunch keeps
	// its original's parent in flyteadmin, and has none here.
	Parent ExecutionID
	// Notifications are what Flyte itself tells of this execution: those of its launch plan, or
	// those that whoever started it gave instead.
	Notifications []Notification
	CreatedAt     time.Time
	StartedAt     time.Time     // zero while it has not started
	EndedAt       time.Time     // zero while it has not ended
	Duration      time.Duration // flyteadmin's own, once ended
	ConsoleURL    string        // empty when no console is configured
	FailedNode    string        // id of the node that failed, where it could be told
}

// ExecutionError is why an execution or node failed. An abort has Kind "ABORTED" and its cause
// as Message.
type ExecutionError struct {
	Kind    string // USER or SYSTEM, as flyteidl's ExecutionError.ErrorKind by name
	Code    string
	Message string
}

// Node is what rules may know of one node of an execution.
type Node struct {
	ID        string // flyteadmin's node_id, "n0-0-n1" when nested; hashed when longer than 20 characters
	Phase     string // flyteidl's NodeExecution.Phase by name
	Error     ExecutionError
	CreatedAt time.Time // when it was queued
	StartedAt time.Time // of its first attempt, whichever is running; zero while it has not started
	EndedAt   time.Time
	Parent    bool // it holds other nodes
	// AttemptStartedAt is when the attempt that runs began; zero where it was not asked for: only
	// Attempt does.
	AttemptStartedAt time.Time
	// Timeout is the limit that its workflow gives each of its attempts; zero for none, and where it
	// was not asked for: only RunningNodes does. See TimesOutAt.
	Timeout time.Duration
}

// Terminal says whether no workflow execution leaves this phase by itself.
func Terminal(phase string) bool {
	switch phase {
	case "SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT":
		return true
	}
	return false
}

// NodeTerminal says whether no node execution leaves this phase by itself.
func NodeTerminal(phase string) bool {
	switch phase {
	case "SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT", "SKIPPED", "RECOVERED":
		return true
	}
	return false
}
