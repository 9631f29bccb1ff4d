package executor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// whenText is a condition as it is written.
func whenText(w spec.When) string {
	kind := string(w.Is())
	switch w.Is() {
	case spec.WhenPhase:
		return fmt.Sprintf("%s: [%s]", kind, strings.Join(w.Phases, ", "))
	case spec.WhenNode:
		return fmt.Sprintf("%s: {id: %s, phase: [%s]}", kind, w.NodeID, strings.Join(w.NodePhases, ", "))
	case spec.WhenGate:
		return kind + ": waiting"
	case spec.WhenDeadline:
		key := "at"
		if w.Deadline.In != nil {
			key = "in"
		} else if w.Deadline.Daily != nil {
			key = "daily"
		}
		return fmt.Sprintf("%s: {%s: %s}", kind, key, w.Deadline)
	case spec.WhenFailureRate:
		return fmt.Sprintf("%s: {of: %d, at_least: %d}", kind, w.Rate.Of, w.Rate.AtLeast)
	case spec.WhenFirstFailure, spec.WhenRecovered:
		return kind + ": true"
	}
	return kind + ": " + w.For.String()
}

// why are the facts that decide about a condition.
func (f Facts) why(w spec.When, now time.Time) []string {
	switch w.Is() {
	case spec.WhenPhase:
		return []string{f.whyPhase(w.Phases)}
	case spec.WhenRunningFor:
		return []string{f.whyRunning(w.For, now)}
	case spec.WhenQueuedFor:
		return []string{f.whyQueued(w.For, now)}
	case spec.WhenDeadline:
		return []string{f.whyDeadline(*w.Deadline, now)}
	case spec.WhenGate:
		return f.whyGates()
	case spec.WhenNode:
		return []string{f.whyNode(w)}
	case spec.WhenBeforeTimeout:
		return f.whyTimeout(w.For, now)
	}
	return []string{f.whyHistory(w)}
}

func (f Facts) whyPhase(phases []string) string {
	text := f.watched() + " is " + f.phase() + f.sincePhase()
	switch {
	case slices.Contains(phases, f.phase()):
		return text
	case f.ended():
		return text + ", not " + eitherOf(phases) + ", and has ended"
	}
	return text + ", not " + eitherOf(phases) + ": fires when it enters " + oneOfThem(phases)
}

func oneOfThem(phases []string) string {
	if len(phases) == 1 {
		return "that"
	}
	return "one of them"
}

// watched is what is watched.
func (f Facts) watched() string {
	if f.Node != nil {
		return "node " + f.Node.ID
	}
	return "the execution"
}

// sincePhase is when the present phase began, where that is known.
func (f Facts) sincePhase() string {
	end := f.Execution.EndedAt
	if f.Node != nil {
		end = f.Node.EndedAt
	}
	switch {
	case !end.IsZero():
		return " since " + timeText(end)
	case f.phase() == "RUNNING" && !f.started().IsZero():
		return " since " + timeText(f.started())
	}
	return ""
}

func (f Facts) whyRunning(limit time.Duration, now time.Time) string {
	started := f.started()
	switch text := "started " + timeText(started) + ", "; {
	case started.IsZero() && f.ended():
		return f.watched() + " ended as " + f.phase() + " without a start"
	case started.IsZero():
		return fmt.Sprintf("%s is %s and has not started: the %s count from its start", f.watched(), f.phase(), limit)
	case f.ended():
		return text + "ended as " + f.phase() + " after " + briefly(f.elapsed(now))
	default:
		return text + "runs for " + briefly(now.Sub(started)) + ", " + firesAt(started.Add(limit), now, "ends")
	}
}

// firesAt says when something fires, unless the execution does something before, or since when it holds.
func firesAt(at, now time.Time, unless string) string {
	if now.Before(at) {
		return fmt.Sprintf("fires in %s at %s unless it %s before", briefly(at.Sub(now)), timeText(at), unless)
	}
	return fmt.Sprintf("holds for %s since %s", briefly(now.Sub(at)), timeText(at))
}

func (f Facts) whyQueued(limit time.Duration, now time.Time) string {
	created := f.created()
	text := "created " + timeText(created) + ", "
	switch {
	case !queued(f.phase()) && f.started().IsZero():
		return text + "is " + f.phase() + " and was never started"
	case !queued(f.phase()):
		return text + "started " + timeText(f.started()) + " after " + briefly(f.started().Sub(created))
	case created.IsZero():
		return "its creation is not known"
	}
	return text + "is " + f.phase() + " for " + briefly(now.Sub(created)) + ", " + firesAt(created.Add(limit), now, "starts")
}

func (f Facts) whyDeadline(d spec.Deadline, now time.Time) string {
	at := d.Time(f.created(), f.started())
	switch {
	case at.IsZero():
		return fmt.Sprintf("%s is %s and has not started: the deadline is %s after its start", f.watched(), f.phase(), d)
	case f.ended():
		end := f.started().Add(f.elapsed(now))
		if end.After(at) {
			return fmt.Sprintf("ended as %s at %s, %s after the deadline at %s", f.phase(), timeText(end), briefly(end.Sub(at)), timeText(at))
		}
		return fmt.Sprintf("ended as %s at %s, %s before the deadline at %s", f.phase(), timeText(end), briefly(at.Sub(end)), timeText(at))
	}
	return "is " + f.phase() + ", the deadline is " + timeText(at) + ": " + firesAt(at, now, "ends")
}

func (f Facts) whyGates() (all []string) {
	if f.ended() {
		return []string{f.watched() + " is " + f.phase() + f.sincePhase() + ": it waits for nothing"}
	}
	for _, g := range f.Gates {
		text := fmt.Sprintf("waits for the %s signal %q", g.Type, g.Signal)
		if g.Approval {
			text = fmt.Sprintf("waits for approval: %q", g.Signal)
		}
		if g.Node != "" {
			text += " (node " + g.Node + ")"
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		all = append(all, f.watched()+" is "+f.phase()+" and waits for no gate now")
	}
	return all
}

func (f Facts) whyNode(w spec.When) string {
	node, ok := f.Nodes[w.NodeID]
	if !ok {
		text := "node " + w.NodeID + " has not started"
		if f.ended() {
			return text + ", and the execution has ended as " + f.phase()
		}
		return text + ": fires when it is " + eitherOf(w.NodePhases)
	}
	own := Facts{Execution: f.Execution, Node: &node}
	return own.whyPhase(w.NodePhases)
}

func (f Facts) whyTimeout(before time.Duration, now time.Time) (all []string) {
	if f.ended() {
		return []string{f.watched() + " is " + f.phase() + f.sincePhase() + ": no limit counts any more"}
	}
	for _, node := range f.Running {
		if at := node.TimesOutAt(now); !at.IsZero() && (f.Node == nil || f.Node.ID == node.ID) {
			all = append(all, whyLimit(node, at, before, now))
		}
	}
	switch {
	case len(all) > 0:
		return all
	case f.Node != nil:
		return []string{"node " + f.Node.ID + " is " + f.phase() + ", and has no timeout while it does not run, or none at all"}
	}
	return []string{fmt.Sprintf("none of its %d running nodes has a timeout", len(f.Running))}
}

func whyLimit(node flyte.Node, at time.Time, before time.Duration, now time.Time) string {
	return fmt.Sprintf("node %s has a timeout of %s and reaches it %s: %s", node.ID, node.Timeout, timeText(at), firesAt(at.Add(-before), now, "ends"))
}

func (f Facts) whyHistory(w spec.When) string {
	plan := "launch plan " + f.Execution.LaunchPlan
	state := f.watched() + " is " + f.phase() + f.sincePhase()
	switch w.Is() {
	case spec.WhenFirstFailure:
		return state + ": fires when it fails and the one before of " + plan + " did not"
	case spec.WhenRecovered:
		return state + ": fires when it succeeds and the one before of " + plan + " failed"
	case spec.WhenNoSuccessFor:
		return fmt.Sprintf("fires when no execution of %s has succeeded for %s", plan, w.For)
	}
	return fmt.Sprintf("%s: fires when it fails and %d of the last %d of %s did", state, w.Rate.AtLeast, w.Rate.Of, plan)
}

func eitherOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// timeText is a time as explanations show it, in UTC.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// briefly is a duration to the second, and exact below one.
func briefly(d time.Duration) string {
	if d.Abs() < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// reasonIn is the reason in a key of Progress, if it is of that rule.
func reasonIn(key, rule string) (reason string, ok bool) {
	name, reason, _ := strings.Cut(key, "|")
	return reason, name == rule
}
