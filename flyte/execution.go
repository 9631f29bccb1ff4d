package flyte

import (
	"net/url"
	"strings"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// aborted is the Kind of the error of what was aborted.
const aborted = "ABORTED"

// newExecution takes the facts from flyteadmin's answer. The id is the one that was asked for:
// some flyteadmins leave the org out of theirs.
func (c *Client) newExecution(id ExecutionID, e *admin.Execution) Execution {
	closure, spec := e.GetClosure(), e.GetSpec()
	x := Execution{
		ID:              id,
		Phase:           closure.GetPhase().String(),
		Error:           executionError(closure),
		Workflow:        closure.GetWorkflowId().GetName(),
		WorkflowVersion: closure.GetWorkflowId().GetVersion(),
		WorkflowScope:   scopeOf(closure.GetWorkflowId()),
		LaunchPlan:      spec.GetLaunchPlan().GetName(),
		LaunchPlanScope: scopeOf(spec.GetLaunchPlan()),
		User:            spec.GetMetadata().GetPrincipal(),
		Labels:          spec.GetLabels().GetValues(),
		Tags:            spec.GetTags(),
		Trigger:         trigger(spec.GetMetadata().GetMode()),
		Parent:          parent(spec.GetMetadata()),
		Notifications:   notifications(closure.GetNotifications()),
		CreatedAt:       moment(closure.GetCreatedAt()),
		StartedAt:       moment(closure.GetStartedAt()),
		ConsoleURL:      c.consoleURL(id),
	}
	if Terminal(x.Phase) {
		x.Duration = closure.GetDuration().AsDuration()
		x.EndedAt = end(x.StartedAt, closure.GetDuration(), closure.GetUpdatedAt())
	}
	return x
}

func scopeOf(id *core.Identifier) Scope {
	return Scope{Org: id.GetOrg(), Project: id.GetProject(), Domain: id.GetDomain()}
}

// trigger says what started an execution; see Execution.
func trigger(mode admin.ExecutionMetadata_ExecutionMode) string {
	switch mode {
	case admin.ExecutionMetadata_SCHEDULED:
		return "schedule"
	case admin.ExecutionMetadata_MANUAL, admin.ExecutionMetadata_RELAUNCH:
		return "manual"
	}
	return strings.ToLower(mode.String())
}

// parent is the execution that launched this one. Flyteadmin copies the metadata of what it
// relaunches; nobody but the mode tells that the parent did not do it.
func parent(m *admin.ExecutionMetadata) ExecutionID {
	id := m.GetParentNodeExecution().GetExecutionId()
	if id == nil || m.GetMode() == admin.ExecutionMetadata_RELAUNCH {
		return ExecutionID{}
	}
	return ExecutionID{Scope: Scope{Org: id.GetOrg(), Project: id.GetProject(), Domain: id.GetDomain()}, Name: id.GetName()}
}

// executionError is why an execution failed or was aborted. A closure can keep an error from
// before its phase went back; only that of a phase that means failure is one.
func executionError(c *admin.ExecutionClosure) ExecutionError {
	switch c.GetPhase() {
	case core.WorkflowExecution_ABORTING, core.WorkflowExecution_ABORTED:
		return ExecutionError{Kind: aborted, Message: abortCause(c)}
	case core.WorkflowExecution_FAILING, core.WorkflowExecution_FAILED, core.WorkflowExecution_TIMED_OUT:
		return newError(c.GetError())
	}
	return ExecutionError{}
}

// abortCause reads the three places where flyteadmins of different ages keep it.
func abortCause(c *admin.ExecutionClosure) string {
	switch r := c.GetOutputResult().(type) {
	case *admin.ExecutionClosure_AbortMetadata:
		return r.AbortMetadata.GetCause()
	case *admin.ExecutionClosure_AbortCause:
		return r.AbortCause
	}
	return c.GetError().GetMessage()
}

// newError is the zero error for nil.
func newError(e *core.ExecutionError) ExecutionError {
	if e == nil {
		return ExecutionError{}
	}
	return ExecutionError{Kind: e.GetKind().String(), Code: e.GetCode(), Message: e.GetMessage()}
}

// moment is the zero time for nil.
func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// end is when something that has ended did: by its duration, else by its last report.
func end(started time.Time, d *durationpb.Duration, reported *timestamppb.Timestamp) time.Time {
	if d != nil && !started.IsZero() {
		return started.Add(d.AsDuration())
	}
	return moment(reported)
}

// consoleURL is where people look at the execution; empty when no console is configured.
func (c *Client) consoleURL(id ExecutionID) string {
	if c.console == "" {
		return ""
	}
	return c.console + "/projects/" + url.PathEscape(id.Project) + "/domains/" + url.PathEscape(id.Domain) +
		"/executions/" + url.PathEscape(id.Name)
}
