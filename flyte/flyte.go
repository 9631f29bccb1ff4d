// Package flyte is what we read from flyteadmin: which executions changed, their facts, and
// where the console shows them. It alone knows flyteidl's admin client and flyteadmin's filter
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

// Row is what a list call tells of an execution: enough to see that it changed.
type Row struct {
	Name  string
	Phase string // flyteidl's WorkflowExecution.Phase by name: "RUNNING"
}

// Execution is what rules and templates may know of an execution, as GetExecution gave it.
type Execution struct {
	ID              ExecutionID
	Phase           string // flyteidl's WorkflowExecution.Phase by name
	Error           ExecutionError
	Workflow        string // without project and version
	WorkflowVersion string
	LaunchPlan      string // without project and version
	User            string // the principal that started it
	Labels          map[string]string
	CreatedAt       time.Time
	StartedAt       time.Time     // zero while it has not started
	EndedAt         time.Time     // zero while it has not ended
	Duration        time.Duration // flyteadmin's own, once ended
	ConsoleURL      string        // empty when no console is configured
	FailedNode      string        // id of the node that failed, where it could be told
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
	ID        string // flyteadmin's node_id, "n0-0-n1" when nested
	Phase     string // flyteidl's NodeExecution.Phase by name
	Error     ExecutionError
	StartedAt time.Time
	EndedAt   time.Time
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
