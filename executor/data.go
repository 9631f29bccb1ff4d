package executor

import (
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// data is what templates see of the facts.
func (f Facts) data(o Occurrence, now time.Time) render.Data {
	x, failure := f.Execution, f.failureOf(o)
	d := render.Data{
		Org: x.ID.Org, Project: x.ID.Project, Domain: x.ID.Domain, Name: x.ID.Name,
		Phase: f.phase(), Error: failure.Message, ErrorKind: failure.Kind, ErrorCode: failure.Code,
		Workflow: x.Workflow, WorkflowVersion: x.WorkflowVersion, LaunchPlan: x.LaunchPlan,
		User: x.User, Labels: x.Labels, StartedAt: x.StartedAt, Elapsed: f.elapsed(now),
		ConsoleURL: x.ConsoleURL, FailedNode: x.FailedNode,
		Rule: o.Rule, Reason: o.Reason, Repeat: o.Count, Skipped: o.Skipped, Escalation: o.Escalation,
		Gate: f.gate(o), History: f.History, Inputs: f.Inputs, At: now,
		Run: render.Run{Name: x.ID.Name, Project: x.ID.Project, Domain: x.ID.Domain},
	}
	switch node, ok := f.nodeOf(o); {
	case f.Node != nil:
		d.Node, d.StartedAt = f.Node.ID, f.Node.StartedAt
	case ok:
		d.Node = node.ID
	}
	return d
}

// gate is what an occurrence of a gate waits for.
func (f Facts) gate(o Occurrence) render.Gate {
	for _, g := range f.Gates {
		if o.Reason == gateReason(g) {
			return render.Gate(g)
		}
	}
	return render.Gate{}
}

// nodeOf is the node that an occurrence is about, if it is not the watched one.
func (f Facts) nodeOf(o Occurrence) (flyte.Node, bool) {
	for _, node := range f.Nodes {
		if o.Reason == nodeReason(node) {
			return node, true
		}
	}
	for _, node := range f.Running {
		if o.Reason == limitReason(node) {
			return node, true
		}
	}
	return flyte.Node{}, false
}

// failureOf is the error that an occurrence tells: that of its node, if it is about one.
func (f Facts) failureOf(o Occurrence) flyte.ExecutionError {
	if node, ok := f.nodeOf(o); ok && node.Error != (flyte.ExecutionError{}) {
		return node.Error
	}
	return f.failure()
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
