package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// eventPhase is the kind of a timeline's event that a phase was entered.
const eventPhase = "phase"

// transition records a phase and everything that follows from it, in one transaction.
func (n *NotifierExecutor) transition(ctx context.Context, w store.Watch, f Facts, ended bool, now time.Time) error {
	t := store.Transition{Watch: w, Events: []store.Event{{At: now, Kind: eventPhase, Text: phaseText(f, now)}}}
	t.Watch.Phase, t.Watch.Missing = f.phase(), time.Time{}
	t.Watch.State, t.Watch.EndedAt = store.Active, time.Time{}
	if ended {
		t.Watch.State, t.Watch.EndedAt = store.Ended, now
	}
	if err := n.fire(&t, f, now); err != nil {
		// The spec was valid when it was stored; what cannot be read now is shown, and the
		// watch goes on.
		t.Events = append(t.Events, store.Event{At: now, Kind: "error", Text: err.Error()})
		n.log.ErrorContext(ctx, "watch cannot be evaluated", "watch", w.ID, "execution", w.Execution.String(), "error", err)
	}
	if err := n.commit(ctx, t, now); err != nil {
		return err
	}
	n.metrics.detected(w, f, time.Now())
	n.log.InfoContext(ctx, "phase", "execution", w.Execution.String(), "node", w.Node, "phase", t.Watch.Phase,
		"watch", w.ID, "deliveries", len(t.Deliveries))
	if len(t.Deliveries) > 0 {
		n.metrics.occurrences.Add(float64(count(t.Events, "fired")))
		n.delivered()
	}
	return nil
}

func count(events []store.Event, kind string) (n int) {
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// fire evaluates the watch's rules and adds their deliveries to t. A rule that fails is shown in
// the timeline and stops no other.
func (n *NotifierExecutor) fire(t *store.Transition, f Facts, now time.Time) error {
	task, err := n.specs.Of(string(t.Watch.Custom)).task()
	if err != nil {
		return err
	}
	if f.Inputs, err = render.Inputs(t.Watch.Inputs); err != nil {
		return err
	}
	for _, rule := range task.Rules {
		occurrences, err := Evaluate(f, rule, now)
		if err != nil {
			n.metrics.ruleErrors.Inc()
			t.Events = append(t.Events, store.Event{At: now, Kind: "error", Text: err.Error()})
		}
		for _, o := range occurrences {
			made, err := n.deliveries(occasion{
				watch: t.Watch, occur: o, send: rule.Send, message: rule.Message, data: f.data(o, now),
			}, now)
			if err != nil {
				t.Events = append(t.Events, store.Event{At: now, Kind: "error", Text: fmt.Sprintf("rule %s: %v", rule.Name, err)})
				continue
			}
			t.Deliveries = append(t.Deliveries, made...)
			t.Events = append(t.Events, store.Event{At: now, Kind: "fired", Text: firedText(o, made)})
		}
	}
	return nil
}

// document is a watch's spec as it was read: the executions of a workflow all bring the same one.
type document struct {
	spec spec.Task // not to be changed
	err  error
}

func readSpec(custom string) (d document) {
	if err := json.Unmarshal([]byte(custom), &d.spec); err != nil {
		d.err = fmt.Errorf("read spec: %w", err)
	}
	return d
}

func (d document) task() (spec.Task, error) { return d.spec, d.err }

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
	text := fmt.Sprintf("rule %s (%s)", o.Rule, o.Reason)
	for _, d := range made {
		text += fmt.Sprintf(", %s %s as %s", d.Kind, d.Address, d.ID)
		if d.State == store.Dead {
			text += " (dead: " + d.LastError + ")"
		}
	}
	return text
}
