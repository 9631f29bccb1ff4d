package spec

import (
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// workflowPhases are flyteidl's WorkflowExecution.Phase by name.
func workflowPhases() []string {
	return []string{
		"UNDEFINED", "QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED", "FAILING", "FAILED", "ABORTED", "TIMED_OUT", "ABORTING",
	}
}

// nodePhases are flyteidl's NodeExecution.Phase by name.
func nodePhases() []string {
	return []string{
		"UNDEFINED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILING", "FAILED", "ABORTED", "SKIPPED", "TIMED_OUT",
		"DYNAMIC_RUNNING", "RECOVERED",
	}
}

// phases checks phases of an execution, or of a node.
func (p *parser) phases(path string, given []string, ofNode bool) {
	kind, known := "workflow", workflowPhases()
	if ofNode {
		kind, known = "node", nodePhases()
	}
	for i, phase := range given {
		at := strict.Index(path, i)
		switch {
		case slices.Contains(given[:i], phase):
			p.add(at, strict.Quote(phase)+" is there twice")
		case slices.Contains(known, phase):
		case !ofNode && slices.Contains(nodePhases(), phase):
			p.add(at, strict.Quote(phase)+" is a node's phase, which needs watch.node or when.node")
		case ofNode && slices.Contains(workflowPhases(), phase):
			p.add(at, strict.Quote(phase)+" is a workflow's phase, but a node is watched")
		default:
			text := "unknown " + kind + " phase " + strict.Quote(phase)
			if near := strict.Suggest(phase, known); near != "" {
				p.add(at, text+near)
			} else {
				p.add(at, text+", must be one of "+strings.Join(known, ", "))
			}
		}
	}
}
