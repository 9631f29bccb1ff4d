package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteFallback is of an occurrence whose fallback is held until it is known what became of its own messages. It is
// written with them, and removed with the release of the fallback or its end, each in one transaction: a server that
// dies anywhere between leaves a note that is due within fallbackLook, and whoever looks at it decides by the
// deliveries as they are then. Two that look at once both try to remove the note, and one of them changes nothing.
const noteFallback = "fallback"

// fallbackLook is the pause between looks at a fallback that waits. The outbox tells of the deaths that this server
// has seen, so that only those of others, and those of a server that was stopped, wait for so long.
const fallbackLook = time.Minute

// awaiting is what a fallback waits for.
type awaiting struct {
	Sends     []string    `json:"sends"`           // ids of the deliveries that must all be dead
	Fallbacks []string    `json:"fallbacks"`       // ids of those that go out then
	Quiet     *spec.Quiet `json:"quiet,omitempty"` // the rule's hours: it goes out after them
}

// fallback makes what is sent when all that was made for an occurrence is dead. Where that is so from the start it
// is made as other deliveries are; else it is held, and notes say for what.
func (n *NotifierExecutor) fallback(ctx context.Context, o occasion, made []store.Delivery, now time.Time) (more []store.Delivery, notes []store.Note, err error) {
	steps := o.set.fallback(o.occur)
	if len(steps) == 0 || len(made) == 0 {
		return nil, nil, nil
	}
	if more, err = n.deliveriesTo(o, steps, now); err != nil {
		return nil, nil, err
	}
	if allDead(made) {
		return more, nil, nil
	}
	waits := awaiting{Sends: idsOf(made), Quiet: o.set.rule(o.occur).Quiet}
	for i := range more {
		if d := &more[i]; d.State == store.Pending {
			// A bundle of its own, which is never due: it shows that the delivery was held, and not redriven.
			d.State, d.Bundle = store.Held, NewID("b", noteFallback+"|"+d.Key)
			waits.Fallbacks = append(waits.Fallbacks, d.ID)
		}
	}
	if len(waits.Fallbacks) == 0 {
		return more, nil, nil
	}
	note := store.Note{Kind: noteFallback, Key: fallbackKey(made[0].Key), Execution: o.watch.Execution, Due: now.Add(fallbackLook)}
	if note.Body, err = json.Marshal(waits); err != nil {
		return nil, nil, fmt.Errorf("keep what a fallback waits for: %w", err)
	}
	// A phase that comes back makes the same occurrence again, of which nothing is new.
	found, err := n.store.Notes(ctx, noteFallback, []string{note.Key})
	if err != nil {
		return nil, nil, fmt.Errorf("read what a fallback waits for: %w", err)
	}
	if len(found) == 0 {
		notes = []store.Note{note}
	}
	return more, notes, nil
}

// fallbackKey is the key of the note that waits for a delivery, by that one's own: all of a rule's send, or of an
// entry of its escalate, have it in common.
func fallbackKey(delivery string) string {
	return NewID("f", delivery[:max(0, strings.LastIndexByte(delivery, '['))])
}

func allDead(all []store.Delivery) bool {
	for _, d := range all {
		if d.State != store.Dead {
			return false
		}
	}
	return true
}

func idsOf(all []store.Delivery) (ids []string) {
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids
}

// Died tells that the outbox of this server has given a delivery up: what is to be sent instead is sent at once. It
// never blocks. Where it is not told, a look at the notes that are due finds it.
func (n *NotifierExecutor) Died(d store.Delivery) {
	select {
	case n.died <- d:
	default:
	}
}

// wokenFallbacks looks at what waited for a delivery that died.
func (n *NotifierExecutor) wokenFallbacks(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d := <-n.died:
			if err := n.fallBackFor(ctx, d); err != nil && ctx.Err() == nil {
				n.log.WarnContext(ctx, "fallback is held up", "delivery", d.ID, "error", err)
			}
		}
	}
}

// fallBackFor looks at the note that waits for a delivery. One that was held may have told of others as well, which is
// known of those alone: then all are looked at, and what is sent instead of them is one message, too.
func (n *NotifierExecutor) fallBackFor(ctx context.Context, d store.Delivery) error {
	if strings.Contains(d.Key, "fallback[") {
		return nil
	}
	if d.Bundle == "" {
		notes, err := n.store.Notes(ctx, noteFallback, []string{fallbackKey(d.Key)})
		if err != nil {
			return fmt.Errorf("find what waits for delivery %s: %w", d.ID, err)
		}
		return n.fallBack(ctx, notes)
	}
	for after := ""; ; {
		notes, err := n.store.AllNotes(ctx, noteFallback, after, duePage)
		if err != nil {
			return fmt.Errorf("find what waits for delivery %s: %w", d.ID, err)
		}
		if err := n.fallBack(ctx, notes); err != nil || len(notes) < duePage {
			return err
		}
		after = notes[len(notes)-1].Key
	}
}

// dueFallbacks looks at the fallbacks whose time has come. As with what is held, any server does so, for all scopes.
func (n *NotifierExecutor) dueFallbacks(ctx context.Context, now time.Time) error {
	first, err := n.store.NextDue(ctx, noteFallback)
	if err != nil || first.IsZero() || first.After(now) {
		return err
	}
	return n.eachDue(ctx, noteFallback, now, func(due []store.Note) error { return n.fallBack(ctx, due) })
}
