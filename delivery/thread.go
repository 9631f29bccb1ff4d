package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteThread is the kind of the notes that hold threads: one for each execution, lane and way of threading. It
// goes with the watch whose message began the thread.
const noteThread = "thread"

const (
	leastHeld   = 200 * time.Millisecond // between looks at a thread that another delivery is at
	mostHeld    = 5 * time.Second        // the same, once that takes long
	longestHeld = 2 * time.Minute        // after which nobody waits for it any more
	claimTries  = 5
)

// thread is a thread as its note holds it. The first message, and every edit, is of a delivery that has written
// itself in as the holder before: the receipt is found with that delivery, should the server die before it is
// written here. So there is one thread whatever happens, and one edit at a time.
type thread struct {
	Root   notifier.Receipt `json:"root,omitempty"`   // of the message that began it, as Threaded.Root has it; nil: none yet
	Shown  time.Time        `json:"shown,omitzero"`   // when that happened which an edited message shows
	Holder string           `json:"holder,omitempty"` // the delivery that begins the thread or edits the message; empty: none does
	At     time.Time        `json:"at,omitzero"`      // when that happened which it tells
	Since  time.Time        `json:"since,omitzero"`   // when it became the holder
}

// part is how a delivery belongs to a thread.
type part struct {
	threading notifier.Threading
	at        time.Time        // when that happened which it tells
	root      notifier.Receipt // of the thread that there is; nil: it has yet to begin
	stale     bool             // the message shows something newer
}

var errStale = errors.New("the message shows something newer already")

// heldError says that another delivery of the thread is under way, and when to look again.
type heldError struct{ wait time.Duration }

func (e *heldError) Error() string { return "another message of the thread is under way" }

// heldSince waits the longer, the longer the other one takes.
func heldSince(since time.Time) error {
	return &heldError{min(max(time.Since(since)/2, leastHeld), mostHeld)}
}

// partOf says how a delivery's message belongs to others.
func partOf(p prepared, d store.Delivery) part {
	t, ok := p.destination.(notifier.Threaded)
	if !ok || d.Execution.Name == "" {
		return part{}
	}
	own := part{threading: t.Threading()}
	if own.threading != notifier.Edits {
		return own
	}
	if _, ok := p.connection.Notifier.(notifier.Updater); !ok {
		return part{}
	}
	if content, err := render.Unmarshal(d.Content); err == nil { // else it is refused when it is composed
		own.at = content.Data.At
	}
	return own
}

// begins says whether the delivery has to be the thread's holder: one that only replies has not.
func (p *part) begins() bool {
	return p.threading == notifier.Edits || p.threading == notifier.Replies && p.root == nil
}

// join finds the thread that a delivery's message belongs to. Its error is a heldError, or that of the store.
func (o *Outbox) join(ctx context.Context, d store.Delivery, p *prepared) error {
	p.part = partOf(*p, d)
	if p.part.threading == notifier.Apart {
		return nil
	}
	note, t, err := o.thread(ctx, d, p.part.threading)
	if err == nil && note.Version > 0 {
		_, err = o.follow(ctx, d, p, t)
	}
	return err
}

// follow makes the delivery one of the thread, and returns the thread as it is without this delivery.
func (o *Outbox) follow(ctx context.Context, d store.Delivery, p *prepared, t thread) (thread, error) {
	t, err := o.current(ctx, d, p, t)
	if err != nil {
		return t, err
	}
	p.part.root, p.part.stale = t.Root, p.part.threading == notifier.Edits && p.part.at.Before(t.Shown)
	if dest, ok := p.destination.(notifier.Threaded); ok && p.part.threading == notifier.Replies {
		p.destination = dest.WithRoot(t.Root)
	}
	return t, nil
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
	underWay := !holder.OpenedAt.IsZero() || !holder.UnknownAt.IsZero() && t.Root == nil
	switch dest, ok := p.destination.(notifier.Threaded); {
	case ok && holder.State == store.Delivered && len(holder.Receipt) > 0:
		t.Root, t.Shown = dest.Root(holder.Receipt), t.At
	case holder.State == store.Pending && underWay && time.Since(t.Since) < longestHeld:
		return t, heldSince(t.Since)
	}
	return t, nil
}

// thread reads the thread of a delivery; the note's Version is 0 if there is none yet.
func (o *Outbox) thread(ctx context.Context, d store.Delivery, how notifier.Threading) (note store.Note, t thread, err error) {
	key := strings.Join([]string{string(how), d.Execution.Org, d.Execution.String(), d.Connection, d.Address}, "|")
	note = store.Note{Kind: noteThread, Key: key, WatchID: d.WatchID, Execution: d.Execution}
	found, err := o.Store.Notes(ctx, noteThread, []string{key})
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
	note.Body = body
	return o.Store.Write(ctx, store.Change{At: time.Now().UTC(), Notes: []store.Note{note}})
}

// claim makes a delivery, whose attempt has begun, the holder of its thread if it has to be. The error is a heldError,
// errStale, or that of the store.
func (o *Outbox) claim(ctx context.Context, d store.Delivery, p *prepared) error {
	for range claimTries {
		if !p.part.begins() {
			return nil
		}
		note, t, err := o.thread(ctx, d, p.part.threading)
		if err == nil {
			t, err = o.follow(ctx, d, p, t)
		}
		switch {
		case err != nil:
			return err
		case p.part.stale:
			return errStale
		case !p.part.begins():
			return nil // somebody else began it meanwhile
		}
		t.Holder, t.At, t.Since = d.ID, p.part.at, time.Now().UTC()
		err = o.setThread(ctx, note, t)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return heldSince(time.Now())
}

// deliver sends the message, or edits the one of its thread. Where that is gone, a new one takes its place.
func deliver(ctx context.Context, p prepared, m notifier.Message) (notifier.Receipt, error) {
	n := p.connection.Notifier
	if updater, ok := n.(notifier.Updater); ok && p.part.threading == notifier.Edits && p.part.root != nil {
		r, err := updater.Update(ctx, p.destination, p.part.root, m)
		if !errors.Is(err, notifier.ErrMessageGone) {
			return r, err
		}
	}
	r, err := n.Send(ctx, p.destination, m)
	if dest, ok := p.destination.(notifier.Threaded); ok && p.part.root != nil && errors.Is(err, notifier.ErrMessageGone) {
		return n.Send(ctx, dest.WithRoot(nil), m)
	}
	return r, err
}

// keep writes down where the thread is after a message of it was sent, before the outcome lets the next one go.
// Without that the next one looks at the holder, so a failure is only logged.
func (o *Outbox) keep(ctx context.Context, d store.Delivery, p prepared, r notifier.Receipt) {
	dest, ok := p.destination.(notifier.Threaded)
	if !ok || p.part.threading == notifier.Apart {
		return
	}
	root := dest.Root(r)
	if p.part.threading == notifier.Replies && maps.Equal(root, p.part.root) {
		return
	}
	note, t, err := o.thread(ctx, d, p.part.threading)
	if err == nil && (t.Holder == d.ID || t.Holder == "" && maps.Equal(t.Root, p.part.root)) {
		err = o.setThread(ctx, note, thread{Root: root, Shown: p.part.at})
	}
	if err != nil && !errors.Is(err, store.ErrConflict) {
		o.Log.WarnContext(ctx, "thread cannot be written", "execution", d.Execution.String(), "error", err)
	}
}

// apart settles a delivery that could not become part of its thread, or not yet.
func (l *line) apart(u until, d store.Delivery, err error) (again time.Duration) {
	o, now := l.outbox, time.Now().UTC()
	if held, ok := errors.AsType[*heldError](err); ok {
		return o.settle(u.record, d, store.Outcome{
			Attempt: attemptOf(d), State: store.Pending, NextAt: now.Add(held.wait), At: now,
			Double: d.Double, LastError: d.LastError, RenderError: d.RenderError,
		})
	}
	if errors.Is(err, errStale) {
		return o.settle(u.record, d, o.superseded(d, err.Error()))
	}
	return l.fail(u, d, notifier.Retry.Errorf("find thread: %w", err))
}

// superseded is the outcome of a delivery that is not sent, and why.
func (o *Outbox) superseded(d store.Delivery, why string) store.Outcome {
	o.strikes.clear(d.ID)
	now := time.Now().UTC()
	return store.Outcome{
		Attempt: attemptOf(d), State: store.Superseded, Double: d.Double, LastError: d.LastError, RenderError: d.RenderError, At: now,
		Event: store.Event{At: now, Kind: store.EventSuperseded, Text: fmt.Sprintf("%s: %s to %s not sent: %s", d.ID, d.Kind, d.Address, why)},
	}
}
