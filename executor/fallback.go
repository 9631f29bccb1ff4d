package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteFallback is of an occurrence whose fallback is held until it is known what became of its own messages. It is
// written with them, and removed with the release of the fallback or its end, each in one transaction: a server that
// dies anywhere between leaves a note that is due some day, and whoever looks at it decides by the deliveries as they are
// then. Of two servers that look at once one changes nothing, and looks again.
const noteFallback = "fallback"

// awaiting is what a fallback waits for.
type awaiting struct {
	Sends     []string          `json:"sends"`           // ids of the deliveries that must all be dead
	Fallbacks []string          `json:"fallbacks"`       // ids of those that go out then
	Dead      map[string]string `json:"dead,omitempty"`  // sends that were seen dead, with the dead message that told of each: it may be gone before the others
	Quiet     *spec.Quiet       `json:"quiet,omitempty"` // the rule's hours: it goes out after them
}

// saw keeps that a send is dead, and returns whether that is new.
func (a *awaiting) saw(send, message string) bool {
	if a.Dead[send] == message {
		return false
	}
	if a.Dead == nil {
		a.Dead = map[string]string{}
	}
	a.Dead[send] = message
	return true
}

// with is what both wait for: a rule that was edited may have made the same occurrence anew, with more places to tell.
func (a awaiting) with(b awaiting) awaiting {
	a.Sends = append(a.Sends, missing(a.Sends, b.Sends)...)
	a.Fallbacks = append(a.Fallbacks, missing(a.Fallbacks, b.Fallbacks)...)
	return a
}

// missing are those of some ids that others do not have.
func missing(ids, some []string) (more []string) {
	for _, id := range some {
		if !slices.Contains(ids, id) {
			more = append(more, id)
		}
	}
	return more
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
	for _, d := range made {
		if d.State == store.Dead {
			waits.saw(d.ID, d.ID)
		}
	}
	for i := range more {
		if d := &more[i]; d.State == store.Pending {
			// A bundle of its own, which is never due: it shows that the delivery was held, and not redriven.
			d.State, d.Bundle = store.Held, store.NewID("b", noteFallback+"|"+d.Key)
			waits.Fallbacks = append(waits.Fallbacks, d.ID)
		}
	}
	if len(waits.Fallbacks) == 0 {
		return more, nil, nil
	}
	note := store.Note{Kind: noteFallback, Key: fallbackKey(made[0].Key), Execution: o.watch.Execution, Due: now.Add(fallbackLook)}
	notes, err = n.awaits(ctx, note, waits)
	return more, notes, err
}

// awaits makes the note of what a fallback waits for. A phase that comes back makes the same occurrence again, of which
// nothing is new, unless the rule was edited: what it has made now would wait for ever if the note that is there did not
// name it.
func (n *NotifierExecutor) awaits(ctx context.Context, note store.Note, waits awaiting) (notes []store.Note, err error) {
	found, err := n.store.Notes(ctx, noteFallback, []string{note.Key})
	if err != nil {
		return nil, fmt.Errorf("read what a fallback waits for: %w", err)
	}
	if len(found) > 0 {
		note = found[0]
		var before awaiting
		if err := json.Unmarshal(note.Body, &before); err != nil {
			return nil, nil //nolint:nilerr // another version wrote it: whoever looks at it shows that
		}
		if len(missing(before.Sends, waits.Sends))+len(missing(before.Fallbacks, waits.Fallbacks)) == 0 {
			return nil, nil
		}
		waits = before.with(waits)
	}
	if note.Body, err = json.Marshal(waits); err != nil {
		return nil, fmt.Errorf("keep what a fallback waits for: %w", err)
	}
	return []store.Note{note}, nil
}

// fallbackKey is the key of the note that waits for a delivery, by that one's own: all of a rule's send, or of an
// entry of its escalate, have it in common.
func fallbackKey(delivery string) string {
	return store.NewID("f", delivery[:max(0, strings.LastIndexByte(delivery, '['))])
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
