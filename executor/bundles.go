package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteWindow is of a bundle that is filled again and again: when it is released next.
const noteWindow = "window"

const (
	bundlesAtOnce = 100
	bundleMost    = 5_000 // deliveries that one message stands for
	catchUpWait   = 30 * time.Second
)

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
		// Of one scope: a connection may be allowed to some only.
		lane := strings.Join([]string{d.Kind, d.Connection, d.Address, d.Execution.Org, d.Execution.Scope.String()}, "|")
		if n.keepQuiet(d, rule, lane, now) {
			continue
		}
		var wait, every time.Duration
		switch {
		case rule.Group != nil:
			wait, every = rule.Group.Wait, rule.Group.Every
			d.Bundle = NewID("b", strings.Join([]string{"group", set.key, o.Rule, lane, grouped(f, o, rule.Group)}, "|"))
		case set.late(f, o, now) && set.catchUp == spec.CatchUpDigest:
			wait = catchUpWait
			d.Bundle = NewID("b", "catch-up|"+set.key+"|"+lane)
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
		if !n.keepQuiet(d, rule, lane, until) { // it is not to be told in quiet hours that begin meanwhile
			d.State, d.HeldUntil = store.Held, until
		}
	}
	return notes, nil
}

// keepQuiet puts a delivery off that would be told in quiet hours, until they are over.
func (n *NotifierExecutor) keepQuiet(d *store.Delivery, rule spec.Rule, lane string, at time.Time) bool {
	end := spec.UntilAll(at, rule.Quiet, n.quietOf(d.Connection)).UTC()
	if end.IsZero() {
		return false
	}
	d.State, d.HeldUntil, d.Bundle = store.Held, end, NewID("b", "quiet|"+lane+"|"+end.Format(time.RFC3339))
	return true
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

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// releases sends what is due, and forgets bundles that nobody fills any more. It returns when to do so again.
func (n *NotifierExecutor) releases(ctx context.Context) (next time.Time, err error) {
	now := time.Now().UTC()
	next = now.Add(dueEvery)
	held, err := n.release(ctx, now)
	if held.After(now) {
		next = earliest(next, held)
	}
	first, findErr := n.store.NextDue(ctx, noteWindow)
	if findErr == nil && !first.IsZero() && !first.After(now) {
		findErr = n.dueOf(ctx, noteWindow, now, n.closeWindows)
	}
	return next, errors.Join(err, findErr)
}

// release sends what was held until now, one message for each bundle, and returns when the next is due.
func (n *NotifierExecutor) release(ctx context.Context, now time.Time) (next time.Time, err error) {
	for {
		if next, err = n.store.NextBundle(ctx); err != nil {
			return next, fmt.Errorf("find what is held: %w", err)
		}
		if next.IsZero() || next.After(now) {
			return next, nil
		}
		due, err := n.store.Bundles(ctx, now, bundlesAtOnce)
		if err != nil {
			return next, fmt.Errorf("find what is held: %w", err)
		}
		var errs []error // one failure does not stop the others
		for _, bundle := range due {
			if err := n.releaseBundle(ctx, bundle, now); err != nil {
				errs = append(errs, fmt.Errorf("release bundle %s: %w", bundle, err))
			}
		}
		if len(errs) > 0 {
			return next, errors.Join(errs...)
		}
	}
}

// releaseBundle makes one message of a bundle: the first delivery becomes it, all others are told in it. Of two
// servers that do so at once one wins.
func (n *NotifierExecutor) releaseBundle(ctx context.Context, bundle string, now time.Time) error {
	held, err := n.store.Held(ctx, bundle, bundleMost)
	if err != nil {
		return err
	}
	c := store.Change{At: now}
	held = slices.DeleteFunc(held, func(d store.Delivery) bool {
		if d.HeldUntil.After(now) { // of the bundle's next time
			return true
		}
		silenced := n.silenced(ctx, d)
		if silenced { // the outbox holds it back by itself: no digest tells of it
			c.Released = append(c.Released, store.Release{ID: d.ID})
		}
		return silenced
	})
	if len(held) > 0 {
		release := store.Release{ID: held[0].ID}
		if len(held) > 1 {
			if release.Content, err = digest(held); err != nil {
				return err
			}
			c.Why = "told in " + held[0].ID + ", with others"
		}
		for _, d := range held[1:] {
			c.Superseded = append(c.Superseded, d.ID)
		}
		c.Released = append(c.Released, release)
	}
	if len(c.Released) == 0 {
		return nil
	}
	if err := n.store.Write(ctx, c); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return nil
		}
		return err
	}
	n.delivered()
	return nil
}

// digest is the content of the message that stands for these deliveries. One that cannot be read is counted.
func digest(held []store.Delivery) (json.RawMessage, error) {
	contents := make([]render.Content, 0, len(held))
	for _, d := range held {
		c, err := render.Unmarshal(d.Content)
		if err != nil {
			c = render.Content{Data: render.Data{
				Project: d.Execution.Project, Domain: d.Execution.Domain, Name: d.Execution.Name, Rule: d.Rule, Reason: d.Reason, At: d.CreatedAt,
			}}
		}
		contents = append(contents, c)
	}
	raw, err := render.NewDigest(contents).Marshal()
	if err != nil {
		return nil, fmt.Errorf("store digest: %w", err)
	}
	return raw, nil
}

// closeWindows removes the notes of bundles that nobody has put anything into for long.
func (n *NotifierExecutor) closeWindows(ctx context.Context, notes []store.Note) error {
	c := store.Change{At: time.Now().UTC()}
	for _, note := range notes {
		note.Removed = true
		c.Notes = append(c.Notes, note)
	}
	return settled(n.store.Write(ctx, c))
}
