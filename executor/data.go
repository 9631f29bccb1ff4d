package executor

import (
	"time"

	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// data is what templates see of the facts.
func (f Facts) data(o Occurrence, now time.Time) render.Data {
	x, failure := f.Execution, f.failure()
	d := render.Data{
		Project: x.ID.Project, Domain: x.ID.Domain, Name: x.ID.Name,
		Phase: f.phase(), Error: failure.Message, ErrorKind: failure.Kind, ErrorCode: failure.Code,
		Workflow: x.Workflow, WorkflowVersion: x.WorkflowVersion, LaunchPlan: x.LaunchPlan,
		User: x.User, Labels: x.Labels, StartedAt: x.StartedAt, Elapsed: f.elapsed(now),
		ConsoleURL: x.ConsoleURL, FailedNode: x.FailedNode,
		Rule: o.Rule, Reason: o.Reason, Repeat: o.Count, Inputs: f.Inputs, At: now,
		Run: render.Run{Name: x.ID.Name, Project: x.ID.Project, Domain: x.ID.Domain},
	}
	if f.Node != nil {
		d.Node, d.StartedAt = f.Node.ID, f.Node.StartedAt
	}
	return d
}

// expr is what a rule's `if` sees of the facts.
func (f Facts) expr(rule string, now time.Time) spec.Facts {
	x, failure := f.Execution, f.failure()
	node := ""
	if f.Node != nil {
		node = f.Node.ID
	}
	return spec.Facts{
		Phase: f.phase(), Elapsed: f.elapsed(now), Labels: x.Labels,
		Project: x.ID.Project, Domain: x.ID.Domain, Name: x.ID.Name,
		Workflow: x.Workflow, LaunchPlan: x.LaunchPlan, User: x.User, Node: node, ConsoleURL: x.ConsoleURL,
		Error:  spec.ErrorFacts{Kind: failure.Kind, Code: failure.Code, Message: failure.Message},
		Inputs: f.Inputs,
	}
}
