package executor

import (
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Facts are all that a rule may look at.
type Facts struct {
	Execution flyte.Execution
	Node      *flyte.Node    // set when a node is watched
	Inputs    map[string]any // the notification task's inputs
}

// Occurrence is one firing of a rule for one execution.
type Occurrence struct {
	Rule   string
	Reason string // "phase:FAILED"
	Count  int    // 0 for the first message; reminders count up
}

// Evaluate says which occurrences of the rule these facts make at the time now. It is pure: the
// same arguments give the same answer, and whoever asks twice is told twice (the store knows what
// was told). The error is that of the rule's `if`; there are no occurrences then.
func Evaluate(f Facts, r spec.Rule, now time.Time) ([]Occurrence, error) {
	phase := f.phase()
	if !hears(r, phase) {
		return nil, nil
	}
	if r.If != nil {
		holds, err := r.If.Eval(f.expr(r.Name, now))
		if err != nil {
			return nil, fmt.Errorf("evaluate if of rule %s: %w", r.Name, err)
		}
		if !holds {
			return nil, nil
		}
	}
	return []Occurrence{{Rule: r.Name, Reason: "phase:" + phase}}, nil
}

// hears says whether entering the phase can make the rule fire. Where it cannot, no facts are read.
func hears(r spec.Rule, phase string) bool { return slices.Contains(r.When.Phases, phase) }

// phase is the watched thing's own phase.
func (f Facts) phase() string {
	if f.Node != nil {
		return f.Node.Phase
	}
	return f.Execution.Phase
}

// failure is the watched thing's own error; a node without one has its execution's.
func (f Facts) failure() flyte.ExecutionError {
	if f.Node != nil && f.Node.Error != (flyte.ExecutionError{}) {
		return f.Node.Error
	}
	return f.Execution.Error
}

// elapsed counts from the start of what is watched to its end, or to now while it runs.
func (f Facts) elapsed(now time.Time) time.Duration {
	start, end := f.Execution.StartedAt, f.Execution.EndedAt
	if f.Node != nil {
		start, end = f.Node.StartedAt, f.Node.EndedAt
	}
	if start.IsZero() {
		return 0
	}
	if end.IsZero() {
		end = now
	}
	return max(end.Sub(start), 0)
}
