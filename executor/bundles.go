package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteWindow is of a bundle that is filled again and again: when it is released next.
const noteWindow = "window"

const catchUpWait = 30 * time.Second

// window is when a bundle that was opened is released.
type window struct {
	Until time.Time `json:"until"`
}

// holdBack puts deliveries off that shall not go out one by one now: in quiet hours, in a group, or while much is
// caught up with. notes is what to write with them.
func (n *NotifierExecutor) holdBack(ctx context.Context, set ruleset, f Facts, o Occurrence, made []store.Delivery, now time.Time) (notes []store.Note, err error) {
	rule := set.rule(o)
	for i := range made {
		d := &made[i]
		if d.State != store.Pending {
			continue
		}
		if n.keepQuiet(d, rule, now) || n.byItself(*d) {
			continue
		}
		var wait, every time.Duration
		switch {
		case rule.Group != nil:
			wait, every = rule.Group.Wait, rule.Group.Every
			d.Bundle = store.NewID("b", strings.Join([]string{"group", set.key, o.Rule, n.place(*d), grouped(f, o, rule.Group)}, "|"))
		case set.late(f, o, now) && set.catchUp == spec.CatchUpDigest:
			wait = catchUpWait
			d.Bundle = store.NewID("b", "catch-up|"+set.key+"|"+n.place(*d))
		default:
			continue
		}
		note, until, err := n.window(ctx, d.Bundle, d.Execution.Scope, wait, every, now)
		if err != nil {
			return nil, err
		}
		if note != nil && !slices.ContainsFunc(notes, func(m store.Note) bool { return m.Key == note.Key }) { // two may go to one place
			notes = append(notes, *note)
		}
		if !n.keepQuiet(d, rule, until) { // it is not to be told in quiet hours that begin meanwhile
			d.State, d.HeldUntil = store.Held, until
		}
	}
	return notes, nil
}

// keepQuiet puts a delivery off that would be told in quiet hours, until they are over.
func (n *NotifierExecutor) keepQuiet(d *store.Delivery, rule spec.Rule, at time.Time) bool {
	end := spec.UntilAll(at, rule.Quiet, n.quietOf(d.Connection)).UTC()
	if end.IsZero() {
		return false
	}
	d.State, d.HeldUntil, d.Bundle = store.Held, end, store.NewID("b", "quiet|"+n.place(*d)+"|"+end.Format(time.RFC3339))
	return true
}

// byItself says whether a delivery is never told in one message with others: an incident of its own, say.
func (n *NotifierExecutor) byItself(d store.Delivery) bool {
	m, ok := n.registry.Find(d.Kind)
	if !ok {
		return false
	}
	_, ok = m.Destination().(notifier.Stateful)
	return ok
}

// place is what deliveries have in common that may be told in one message: where it goes, and how, but for what
// suits a message of their own. They are of one scope, since a connection may be allowed to some only. A destination
// that cannot be read goes with its like: the outbox tells what is wrong with it. What is told by itself has nothing in
// common with any.
func (n *NotifierExecutor) place(d store.Delivery) string {
	if n.byItself(d) {
		return d.Key
	}
	keys := d.Destination
	if m, ok := n.registry.Find(d.Kind); ok {
		if dest, err := spec.Destination(m, d.Destination); err == nil {
			if gathered, err := json.Marshal(notifier.Gathered(dest)); err == nil {
				keys = gathered
			}
		}
	}
	return strings.Join([]string{d.Kind, d.Connection, string(keys), d.Execution.Org, d.Execution.Scope.String()}, "|")
}

// quietOf are the quiet hours of a connection.
func (n *NotifierExecutor) quietOf(connection string) *spec.Quiet {
	if all := n.quietHours.Load(); all != nil {
		return (*all)[connection]
	}
	return nil
}

// late says whether what is told for the first time happened long ago: nobody looked when it did.
func (set ruleset) late(f Facts, o Occurrence, now time.Time) bool {
	first := set.name != "" && o.Count == 0 && o.Escalation == 0
	return first && f.ended() && !f.Execution.EndedAt.IsZero() && now.Sub(f.Execution.EndedAt) > lateAfter+set.rule(o).For+inhibitWait
}

// grouped is what an occurrence has in common with others of its group.
func grouped(f Facts, o Occurrence, g *spec.Group) string {
	x := f.Execution
	values := map[string]string{
		"project": x.ID.Project, "domain": x.ID.Domain, "workflow": x.Workflow, "launch_plan": x.LaunchPlan, "name": x.ID.Name,
		"user": x.User, "phase": f.phase(), "reason": o.Reason, "error_code": f.failureOf(o).Code,
	}
	var parts []string
	for _, key := range g.By {
		if label, ok := g.Label(key); ok {
			parts = append(parts, x.Labels[label])
		} else {
			parts = append(parts, values[key])
		}
	}
	return fmt.Sprintf("%q", parts)
}

// window returns when an open bundle is released; note is what opens it, if it is not.
func (n *NotifierExecutor) window(ctx context.Context, bundle string, s flyte.Scope, wait, every time.Duration, now time.Time) (note *store.Note, until time.Time, err error) {
	found, err := n.store.Notes(ctx, noteWindow, []string{bundle})
	if err != nil {
		return nil, until, fmt.Errorf("read bundle %s: %w", bundle, err)
	}
	opened := store.Note{Kind: noteWindow, Key: bundle, Execution: flyte.ExecutionID{Scope: s}}
	var w window
	if len(found) > 0 {
		opened = found[0]
		if err := json.Unmarshal(opened.Body, &w); err != nil {
			return nil, until, fmt.Errorf("read bundle %s: %w", bundle, err)
		}
		if longest := now.Add(max(wait, every)); w.Until.After(longest) {
			w.Until = time.Time{} // a clock was set back
		}
		if now.Before(w.Until) {
			return nil, w.Until, nil
		}
	}
	w.Until = latest(now.Add(wait), w.Until.Add(every)).Truncate(time.Microsecond)
	if opened.Body, err = json.Marshal(w); err != nil {
		return nil, until, fmt.Errorf("keep bundle %s: %w", bundle, err)
	}
	opened.Due = w.Until.Add(max(every, time.Hour)) // nobody needs it then
	return &opened, w.Until, nil
}
