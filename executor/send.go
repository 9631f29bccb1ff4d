package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// sendReason is the reason of a notification_send task's message: its author asked for it.
const sendReason = "send"

// wokenSends starts each notification_send task that was registered here. It waits for none: one
// that waits for facts must not hold up the next.
func (n *NotifierExecutor) wokenSends(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case w := <-n.send:
			n.startSend(ctx, w)
		}
	}
}

// sends starts those that nobody has seen to for an interval, whichever server they were registered
// through: it failed, or died, or had too many.
func (n *NotifierExecutor) sends(ctx context.Context) error {
	fresh, err := n.store.Fresh(ctx, store.Send, freshBatch)
	if err != nil {
		return fmt.Errorf("find new sends: %w", err)
	}
	for _, w := range fresh {
		if n.isOld(w) {
			n.startSend(ctx, w)
		}
	}
	return nil
}

// startSend makes a send unless it is being made, or too many are.
func (n *NotifierExecutor) startSend(ctx context.Context, w store.Watch) {
	select {
	case n.sendSlots <- struct{}{}:
	default:
		return
	}
	if _, busy := n.sending.LoadOrStore(w.ID, true); busy {
		<-n.sendSlots
		return
	}
	n.sendGroup.Go(func() {
		defer func() {
			n.sending.Delete(w.ID)
			<-n.sendSlots
		}()
		if err := n.sendNow(ctx, w); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "send is held up", "watch", w.ID, "error", err)
		}
	})
}

// sendNow makes the deliveries with the facts that can be had in sendFacts: a message that must
// go out now does not wait for a flyteadmin that is down.
func (n *NotifierExecutor) sendNow(ctx context.Context, w store.Watch) error {
	now := time.Now().UTC()
	t := store.Transition{Watch: w}
	t.Watch.State, t.Watch.EndedAt, t.Watch.Phase = store.Ended, now, notStarted
	x := n.factsForSend(ctx, w, &t, now)
	if x.Phase != "" {
		t.Watch.Phase = x.Phase
	}
	if err := n.fireSend(&t, x, now); err != nil {
		t.Events = append(t.Events, store.Event{At: now, Kind: eventError, Text: err.Error()})
		n.log.ErrorContext(ctx, "send cannot be read", "watch", w.ID, "error", err)
	}
	switch err := n.commit(ctx, t, now); {
	case errors.Is(err, store.ErrConflict): // another has sent it
	case err != nil:
		return fmt.Errorf("store send %s: %w", w.ID, err)
	default:
		n.delivered(t.Deliveries)
	}
	return nil
}

func (n *NotifierExecutor) factsForSend(ctx context.Context, w store.Watch, t *store.Transition, now time.Time) flyte.Execution {
	if w.Execution.Name == "" {
		return flyte.Execution{} // sent from outside of any execution
	}
	ctx, cancel := context.WithTimeout(ctx, sendFacts)
	defer cancel()
	x, err := n.admin.Execution(ctx, w.Execution)
	if err != nil {
		t.Events = append(t.Events, store.Event{At: now, Kind: eventError, Text: "sent without facts: " + err.Error()})
		return flyte.Execution{ID: w.Execution}
	}
	return x
}

func (n *NotifierExecutor) fireSend(t *store.Transition, x flyte.Execution, now time.Time) error {
	var task spec.SendTask
	if err := json.Unmarshal(t.Watch.Custom, &task); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	inputs, err := render.Inputs(t.Watch.Inputs)
	if err != nil {
		return err
	}
	o := Occurrence{Rule: sendReason, Reason: sendReason}
	made, err := n.deliveries(occasion{
		watch: t.Watch, occur: o, message: task.Message,
		set:  ruleset{key: t.Watch.ID, rules: []spec.Rule{{Name: sendReason, Send: task.Send}}},
		data: Facts{Execution: x, Inputs: inputs}.data(o, now),
	}, now)
	if err != nil {
		return err
	}
	t.Deliveries = made
	t.Events = append(t.Events, store.Event{At: now, Kind: eventFired, Text: firedText(o, made)})
	return nil
}
