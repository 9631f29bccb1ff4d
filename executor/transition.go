package executor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// The kinds of a timeline's events.
const (
	eventPhase   = "phase"   // a phase was entered
	eventFired   = "fired"   // a rule's deliveries were made
	eventSkipped = "skipped" // a rule fired, and is not told by the subscription's catch_up
	eventError   = "error"   // something could not be judged or made
)

// lackShare is for what cannot be read of an execution that has ended: after this part of the time since, it is tried again.
const lackShare = 10

// judge adds to the facts what the watch's rules need of the inside of its execution, and brings the watch to them in
// one transaction. It returns false if there was nothing to record. Rules that need what cannot be read are judged when
// a later look has read it; they keep none of the others waiting for longer than sendFacts when the phase is new.
func (n *NotifierExecutor) judge(ctx context.Context, w store.Watch, f Facts, ended bool, now time.Time) (bool, error) {
	sets, unreadable := n.rulesets(w, f.Execution) // then there are none, and the transition shows why
	missing := n.gatherSoon(ctx, &f, sets.needs(), f.phase() != w.Phase)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	n.unknown(w, f)
	defer n.alone(w, f, sets)()
	t, err := n.transition(ctx, w, f, ended, now, sets, unreadable)
	if err != nil || !news(w, t) {
		return false, err
	}
	if err := n.commit(ctx, t, now); err != nil {
		return false, err
	}
	n.told(ctx, w, f, t)
	if missing != nil {
		n.log.WarnContext(ctx, "some rules are judged later", "watch", w.ID, "execution", w.Execution.String(), "error", missing)
	}
	return true, nil
}

// transition is what the facts mean to a watch: a phase that is new, what the rules make of it, and when to
// look again.
func (n *NotifierExecutor) transition(ctx context.Context, w store.Watch, f Facts, ended bool, now time.Time, sets rulesets, unreadable error) (store.Transition, error) {
	t := store.Transition{Watch: w, Change: store.Change{At: now}}
	t.Watch.Phase, t.Watch.Missing = f.phase(), time.Time{}
	t.Watch.State, t.Watch.EndedAt = store.Active, time.Time{}
	if ended {
		t.Watch.State, t.Watch.EndedAt = store.Ended, now
	}
	if entered(w, t) {
		t.Events = append(t.Events, store.Event{At: now, Kind: eventPhase, Text: phaseText(f, now)})
	} else if ended {
		t.Watch.EndedAt = w.EndedAt
	}
	return t, n.fire(ctx, &t, f, now, sets, unreadable)
}

// entered says whether the watch is in another phase than before.
func entered(before store.Watch, t store.Transition) bool {
	return t.Watch.Phase != before.Phase || t.Watch.State != before.State
}

// news says whether there is anything to record.
func news(before store.Watch, t store.Transition) bool {
	return entered(before, t) || len(t.Notes) > 0 || len(t.Deliveries) > 0 || len(t.Events) > 0
}

// told is what follows once a transition is stored.
func (n *NotifierExecutor) told(ctx context.Context, w store.Watch, f Facts, t store.Transition) {
	if t.Watch.State != store.Active {
		n.inside.Delete(w.ID)
	}
	if entered(w, t) {
		n.metrics.detected(w, f, time.Now())
		n.log.InfoContext(ctx, "phase", "execution", w.Execution.String(), "node", w.Node, "phase", t.Watch.Phase,
			"watch", w.ID, "deliveries", len(t.Deliveries))
	} else if len(t.Deliveries) > 0 {
		n.log.InfoContext(ctx, "fired", "execution", w.Execution.String(), "node", w.Node, "watch", w.ID, "deliveries", len(t.Deliveries))
	}
	n.metrics.failed(t)
	if len(t.Deliveries) > 0 {
		n.metrics.occurrences.Add(float64(count(t.Events, eventFired)))
		n.delivered(t.Deliveries)
	}
}

func count(events []store.Event, kind string) (n int) {
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// fire judges the rules that the watch has and adds to t what they make. A rule that fails is shown in the
// timeline and stops no other. The error is the store's.
func (n *NotifierExecutor) fire(ctx context.Context, t *store.Transition, f Facts, now time.Time, sets rulesets, unreadable error) error {
	err := unreadable
	if err == nil {
		f.Inputs, err = render.Inputs(t.Watch.Inputs)
	}
	if err != nil {
		// The spec was valid when it was stored; what cannot be read now is shown, and the
		// watch goes on.
		t.Events = append(t.Events, store.Event{At: now, Kind: eventError, Text: err.Error()})
		n.log.ErrorContext(ctx, "watch cannot be evaluated", "watch", t.Watch.ID, "execution", t.Watch.Execution.String(), "error", err)
		return nil
	}
	need := sets.needs()
	m, err := n.remember(ctx, t.Watch, need)
	if err != nil {
		return err
	}
	learned := m.next()
	for _, set := range sets {
		f := f
		before := m.progress[set.memory()]
		if set.name != "" && set.needs.history {
			notes, err := n.history(ctx, set, &f, before, now)
			if err != nil {
				return err
			}
			t.Notes = append(t.Notes, notes...)
		}
		a := Advance(f, set.rules, before, now)
		if set.name != "" && set.needs.history && f.ended() {
			a.Progress[counted] = Told{Over: true}
		}
		if len(t.Events) > 0 { // a phase is new: not at every look
			for _, rule := range set.lost {
				a.Errors = append(a.Errors, rule)
				n.log.ErrorContext(ctx, "rule cannot be judged", "rule", rule.Rule, "watch", t.Watch.ID, "execution", t.Watch.Execution.String(), "error", rule.Err)
			}
		}
		learned.add(set.memory(), a)
		if err := n.tell(ctx, t, f, set, a, now); err != nil {
			return err
		}
	}
	lacking := f.lacks.looks()
	if t.Watch.Wait && t.Watch.State == store.Ended && (lacking || learned.waits()) {
		t.Watch.State, t.Watch.EndedAt = store.Active, time.Time{} // its task waits for what is still to be told
	}
	if lacking && t.Watch.State != store.Active { // while it is active, looks see to that
		since := now.Sub(t.Watch.EndedAt) / lackShare
		learned.due = earliest(learned.due, now.Add(max(n.cfg.NodeInterval, dueEvery, since)))
	}
	if need.memory {
		looks := look{needed: need.looks() && t.Watch.State == store.Active}
		if isSubscribed(t.Watch) {
			looks.of = selectedBy(f.Execution)
		}
		notes, err := m.learn(learned, looks)
		if err != nil {
			return err
		}
		t.Notes = append(t.Notes, notes...)
	}
	return nil
}

// tell adds what the rules of a set make. The error is the store's.
func (n *NotifierExecutor) tell(ctx context.Context, t *store.Transition, f Facts, set ruleset, a Advanced, now time.Time) error {
	for _, err := range a.Errors {
		t.Events = append(t.Events, store.Event{At: now, Kind: eventError, Text: err.Error()})
	}
	for _, o := range a.Superseded {
		t.Superseded = append(t.Superseded, set.ids(t.Watch, o)...)
	}
	for _, o := range a.Occurrences {
		if set.catchUp == spec.CatchUpSkip && set.late(f, o, now) {
			t.Events = append(t.Events, store.Event{At: now, Kind: eventSkipped, Text: fmt.Sprintf("rule %s (%s): it is long past", o.Rule, o.Reason)})
			continue
		}
		happened := occasion{watch: t.Watch, set: set, occur: o, message: set.rule(o).Message, data: f.data(o, now)}
		made, err := n.deliveries(happened, now)
		if err != nil {
			t.Events = append(t.Events, store.Event{At: now, Kind: eventError, Text: fmt.Sprintf("rule %s: %v", o.Rule, err)})
			continue
		}
		made, notes, err := n.prepare(ctx, happened, f, made, now)
		if err != nil {
			return err
		}
		for _, note := range notes {
			if !slices.ContainsFunc(t.Notes, func(m store.Note) bool { return m.Kind == note.Kind && m.Key == note.Key }) {
				t.Notes = append(t.Notes, note)
			}
		}
		t.Deliveries = append(t.Deliveries, made...)
		t.Events = append(t.Events, store.Event{At: now, Kind: eventFired, Text: firedText(o, made)})
	}
	return nil
}

// prepare adds the fallback to the deliveries of an occurrence, and holds those back that shall not go out now. notes is
// what to write with them.
func (n *NotifierExecutor) prepare(ctx context.Context, o occasion, f Facts, made []store.Delivery, now time.Time) ([]store.Delivery, []store.Note, error) {
	more, notes, err := n.fallback(ctx, o, made, now)
	if err != nil {
		return nil, nil, err
	}
	made = append(made, more...)
	held, err := n.holdBack(ctx, o.set, f, o.occur, made, now)
	return made, append(notes, held...), err
}

func phaseText(f Facts, now time.Time) string {
	text := f.phase()
	if f.Node != nil {
		text = f.Node.ID + " " + text
	}
	if d := f.elapsed(now); d > 0 {
		text += " after " + d.Round(time.Millisecond).String()
	}
	return text
}

func firedText(o Occurrence, made []store.Delivery) string {
	text := fmt.Sprintf("rule %s (%s%s)", o.Rule, o.Reason, o.which())
	for _, d := range made {
		text += fmt.Sprintf(", %s %s as %s", d.Kind, d.Address, d.ID)
		switch d.State {
		case store.Dead:
			text += " (dead: " + d.LastError + ")"
		case store.Held:
			if d.HeldUntil.IsZero() {
				text += " (if all others are dead)"
				continue
			}
			text += " (held until " + d.HeldUntil.Format(time.RFC3339) + ")"
		}
	}
	return text
}

// which says which message of an occurrence it is, if not the first.
func (o Occurrence) which() string {
	switch {
	case o.Escalation > 0:
		return fmt.Sprintf(", escalation %d", o.Escalation)
	case o.Skipped > 0:
		return fmt.Sprintf(", reminder %d, %d before it skipped", o.Count, o.Skipped)
	case o.Count > 0:
		return fmt.Sprintf(", reminder %d", o.Count)
	}
	return ""
}
