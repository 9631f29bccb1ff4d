package executor

import (
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// Facts are all that a rule may look at.
type Facts struct {
	Execution flyte.Execution
	Node      *flyte.Node    // set when a node is watched
	Inputs    map[string]any // the notification task's inputs

	Above   string                // phase of the execution whose node started this one; empty: none
	Gates   []flyte.Gate          // what it waits for
	Running []flyte.Node          // nodes that run, with their limits
	Nodes   map[string]flyte.Node // those that rules name, by id, once they have started

	// Of a subscription, once the execution has ended:
	Fires     map[string]string // reasons of the rules that its launch plan's history makes fire now, by rule
	History   render.History    // that history
	Recovered bool              // the launch plan has succeeded since

	lacks needs // what rules need of these and could not be read
	more  int   // calls that it took beside those that needs.calls counts
}

// Occurrence is one firing of a rule for one execution.
type Occurrence struct {
	Rule       string
	Reason     string // "phase:FAILED", "running_for:2h0m0s"
	Count      int    // 0 for the first message; reminders count up
	Skipped    int    // reminders that were missed before this one
	Escalation int    // which entry of the rule's escalate is told, from 1; 0: its send
}

// Evaluate says which occurrences of the rule these facts make at the time now. It is pure: the
// same arguments give the same answer, and whoever asks twice is told twice (Advance knows what
// was told). The error is that of the rule's `if`; there are no occurrences then.
func Evaluate(f Facts, r spec.Rule, now time.Time) ([]Occurrence, error) {
	var all []Occurrence
	for _, c := range chances(f, r, now) {
		if c.holds(now) && !c.old {
			all = append(all, Occurrence{Rule: r.Name, Reason: c.reason})
		}
	}
	if len(all) == 0 || r.If == nil {
		return all, nil
	}
	holds, err := r.If.Eval(f.expr(r.Name, now))
	if err != nil {
		return nil, fmt.Errorf("evaluate if of rule %s: %w", r.Name, err)
	}
	if !holds {
		return nil, nil
	}
	return all, nil
}

// chance is something that makes a rule fire, now or at a known time if nothing changes before.
type chance struct {
	reason string
	at     time.Time // zero: it holds already
	old    bool      // it goes on, and makes nothing fire by itself
}

func (c chance) holds(now time.Time) bool { return !now.Before(c.at) }

// chances are what the facts hold for a condition. What is over is no chance any more.
func chances(f Facts, r spec.Rule, now time.Time) []chance {
	w := r.When
	switch kind := w.Is(); kind {
	case spec.WhenPhase:
		if phase := f.phase(); slices.Contains(w.Phases, phase) {
			return []chance{{reason: "phase:" + phase}}
		}
	case spec.WhenRunningFor:
		return f.unless(f.ended() || f.started().IsZero(), kind, w.For.String(), f.started().Add(w.For))
	case spec.WhenQueuedFor:
		return f.unless(!queued(f.phase()) || f.created().IsZero(), kind, w.For.String(), f.created().Add(w.For))
	case spec.WhenDeadline:
		at := w.Deadline.Time(f.created(), f.started())
		return f.unless(f.ended() || at.IsZero(), kind, w.Deadline.String(), at)
	case spec.WhenGate:
		return f.gates()
	case spec.WhenNode:
		if node, ok := f.Nodes[w.NodeID]; ok && slices.Contains(w.NodePhases, node.Phase) {
			return []chance{{reason: nodeReason(node)}}
		}
	case spec.WhenBeforeTimeout:
		return f.limits(w.For, now)
	case spec.WhenFirstFailure, spec.WhenRecovered, spec.WhenFailureRate:
		return f.history(r)
	}
	return nil
}

// history is what a launch plan's history makes of the execution's end, and what it made of it goes on until
// the next success.
func (f Facts) history(r spec.Rule) []chance {
	if reason := f.Fires[r.Name]; reason != "" {
		return []chance{{reason: reason}}
	}
	if !f.ended() {
		return nil
	}
	return []chance{{reason: historyReason(r.When), old: true}}
}

// gates are what the execution waits for: each is a chance of its own, since a second one tells again.
func (f Facts) gates() (all []chance) {
	if f.ended() {
		return nil
	}
	for _, g := range f.Gates {
		all = append(all, chance{reason: gateReason(g)})
	}
	return all
}

func gateReason(g flyte.Gate) string  { return string(spec.WhenGate) + ":" + g.Signal }
func nodeReason(n flyte.Node) string  { return string(spec.WhenNode) + ":" + n.ID + ":" + n.Phase }
func limitReason(n flyte.Node) string { return string(spec.WhenBeforeTimeout) + ":" + n.ID }

// limits are the nodes that run into their timeout: the watched one, or any.
func (f Facts) limits(before time.Duration, now time.Time) (all []chance) {
	if f.ended() {
		return nil
	}
	for _, node := range f.Running {
		if at := node.TimesOutAt(now); !at.IsZero() && (f.Node == nil || f.Node.ID == node.ID) {
			all = append(all, chance{reason: limitReason(node), at: at.Add(-before)})
		}
	}
	return all
}

// unless is the one chance of a condition that is a matter of time.
func (Facts) unless(over bool, kind spec.WhenKind, value string, at time.Time) []chance {
	if over {
		return nil
	}
	return []chance{{reason: string(kind) + ":" + value, at: at}}
}

// queued says whether what has this phase has not started.
func queued(phase string) bool { return phase == "UNDEFINED" || phase == "QUEUED" }

// phase is the watched thing's own phase.
func (f Facts) phase() string {
	if f.Node != nil {
		return f.Node.Phase
	}
	return f.Execution.Phase
}

// ended says whether the watched thing has.
func (f Facts) ended() bool {
	return f.Node != nil && flyte.NodeTerminal(f.Node.Phase) || flyte.Terminal(f.Execution.Phase)
}

func (f Facts) created() time.Time { return f.Execution.CreatedAt }

// started is when the watched thing did; zero before.
func (f Facts) started() time.Time {
	if f.Node != nil {
		return f.Node.StartedAt
	}
	return f.Execution.StartedAt
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
	start, end := f.started(), f.Execution.EndedAt
	if f.Node != nil {
		end = f.Node.EndedAt
	}
	if start.IsZero() {
		return 0
	}
	if end.IsZero() {
		end = now
	}
	return max(end.Sub(start), 0)
}
