package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// threadKept is when the note of a thread is due after it was written last: the executor then removes it, unless the
// execution is followed still. There is one for each execution, lane and way of threading. It goes with no watch, since
// several may tell in the thread.
const threadKept = 7 * 24 * time.Hour

const (
	leastHeld   = 200 * time.Millisecond // between looks at a thread that another delivery is at
	mostHeld    = 5 * time.Second        // the same, once that takes long
	longestHeld = 2 * time.Minute        // after which nobody waits for it any more
	claimTries  = 5
)

// thread is a thread as its note holds it. The first message, and every edit, is of a delivery that has written
// itself in as the holder before: the receipt is found with that delivery, should the server die before it is
// written here. So there is one thread, whichever server sends first, unless nobody learns within longestHeld whether
// it began; and one edit at a time. One that failed may take effect yet, so the next one waits for the holder to
// repeat it, for as long.
type thread struct {
	Root   notifier.Receipt `json:"root,omitempty"`   // of the message that began it, as Threaded.Root has it; nil: none yet
	Shown  time.Time        `json:"shown,omitzero"`   // when that happened which an edited message shows
	By     string           `json:"by,omitempty"`     // the watch that told it
	Holder string           `json:"holder,omitempty"` // the delivery that begins the thread or edits the message; empty: none does
	At     time.Time        `json:"at,omitzero"`      // when that happened which it tells
	Since  time.Time        `json:"since,omitzero"`   // when it became the holder; to begin the thread, the last time

	// Of a thing whose state is told there is this instead of Root, Shown, By and At.
	State string `json:"state,omitempty"` // as it was told by
	Last  string `json:"last,omitempty"`  // the delivery that was made last of those that were sent
	Tells string `json:"tells,omitempty"` // what the holder tells
	Late  bool   `json:"late,omitempty"`  // the holder was made before Last
}

var (
	errStale = errors.New("the message shows something newer already")
	errOver  = errors.New("it is over: something newer was told already, which this would undo")
)

// heldError says that another delivery of the thread is under way, and when to look again.
type heldError struct{ wait time.Duration }

func (e *heldError) Error() string { return "another message of the thread is under way" }

// heldSince waits the longer, the longer the other one takes.
func heldSince(since time.Time) error {
	return &heldError{min(max(time.Since(since)/2, leastHeld), mostHeld)}
}

// current is a thread after what became of its holder. The error is a heldError while that is under way: its call, or
// nobody knows yet whether it began the thread.
func (o *Outbox) current(ctx context.Context, d store.Delivery, p *prepared, t thread) (thread, error) {
	if t.Holder == "" || t.Holder == d.ID {
		return t, nil
	}
	found, err := o.Store.DeliveriesOf(ctx, []string{t.Holder})
	if err != nil {
		return t, fmt.Errorf("read delivery %s: %w", t.Holder, err)
	}
	if len(found) == 0 { // it was purged
		return t, nil
	}
	holder := found[0]
	dest, ok := p.destination.(notifier.Threaded)
	switch {
	case holder.State != store.Delivered:
	case p.part.threading == notifier.States:
		return t.stated(), nil
	case ok && len(holder.Receipt) > 0:
		return thread{Root: dest.Root(holder.Receipt), Shown: t.At, By: holder.WatchID}, nil
	}
	if since := t.underWay(holder, p.part.threading); !since.IsZero() && time.Since(since) < longestHeld {
		return t, heldSince(since)
	}
	return t, nil
}

// underWay is since when the holder's message has been on its way, so that others wait for it; zero if it is not.
func (t thread) underWay(holder store.Delivery, how notifier.Threading) time.Time {
	switch edits := t.Root != nil && how == notifier.Edits; {
	case edits && holder.State == store.Superseded: // nobody repeats it, and it may land yet
		return t.Since
	case holder.State != store.Pending:
		return time.Time{}
	case !holder.OpenedAt.IsZero():
		return holder.OpenedAt
	case t.Root == nil && !holder.UnknownAt.IsZero(): // the thread may have begun, or the state is told
		return t.Since
	case edits: // an edit that nobody waits for any more may land after the next one
		return t.Since
	}
	return time.Time{}
}

// newer says whether the message shows something newer than what a delivery tells. Messages of one watch come here
// in their order, so only those of several watches go by the time: servers' clocks may differ. What was held back or
// redriven has lost its place in the order.
func (t thread) newer(d store.Delivery, at time.Time) bool {
	inOrder := t.By == d.WatchID && d.Bundle == "" && d.Since.Equal(d.CreatedAt)
	return !inOrder && at.Before(t.Shown)
}

// stated is the thread of a thing once its holder has told its state. What was made later stays the last word.
func (t thread) stated() thread {
	if t.Late {
		return thread{State: t.State, Last: t.Last}
	}
	return thread{State: t.Tells, Last: t.Holder}
}

// thread reads the thread of a delivery; the note's Version is 0 if there is none yet. That of a state goes by its
// thing, which several executions may tell of.
func (o *Outbox) thread(ctx context.Context, d store.Delivery, p part) (note store.Note, t thread, err error) {
	about, parts := d.Execution, []string{string(p.threading), d.Execution.Org, d.Execution.String(), d.Connection, d.Address}
	if p.threading == notifier.States {
		about.Name, parts = "", []string{string(p.threading), d.Connection, d.Address, p.thing}
	}
	key := strings.Join(parts, "|")
	note = store.Note{Kind: store.NoteThread, Key: key, Execution: about}
	found, err := o.Store.Notes(ctx, store.NoteThread, []string{key})
	if err == nil && len(found) > 0 {
		note = found[0]
		err = json.Unmarshal(note.Body, &t)
	}
	if err != nil {
		return note, t, fmt.Errorf("read thread of %s: %w", d.Execution, err)
	}
	return note, t, nil
}

// setThread writes the thread, unless somebody else did since it was read: then the error is store.ErrConflict.
func (o *Outbox) setThread(ctx context.Context, note store.Note, t thread) error {
	body, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("keep thread of %s: %w", note.Execution, err)
	}
	now := time.Now().UTC()
	note.Body = body
	if note.WatchID == "" { // of an earlier version it goes with a watch, which a time would keep
		note.Due = now.Add(threadKept)
	}
	return o.Store.Write(ctx, store.Change{At: now, Notes: []store.Note{note}})
}
