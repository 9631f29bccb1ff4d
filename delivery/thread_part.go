package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// part is how a delivery belongs to a thread.
type part struct {
	threading notifier.Threading
	thing     string           // that it tells the state of, and which that is; of a Stateful
	state     string           //
	late      bool             // what was told last of the thing was made later
	at        time.Time        // when that happened which it tells
	root      notifier.Receipt // of the thread that there is; nil: it has yet to begin
	stale     error            // why it is not to be sent: the message shows something newer, or it would undo what is
	due       time.Time        // until when the thread is kept if nothing is written to it
}

// partOf says how a delivery's message belongs to others.
func partOf(p prepared, d store.Delivery) part {
	if s, ok := p.destination.(notifier.Stateful); ok {
		return stated(s, d)
	}
	t, ok := p.destination.(notifier.Threaded)
	if !ok || d.Execution.Name == "" || ofSeveral(d) {
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

// stated is the part of a delivery that tells a state.
func stated(s notifier.Stateful, d store.Delivery) part {
	content, err := render.Unmarshal(d.Content)
	if err != nil { // it is refused when it is composed
		return part{}
	}
	m, _ := render.Message(content, d.ID) // where the template fails, the default message is sent
	thing, state := s.State(m)
	return part{threading: notifier.States, thing: thing, state: state}
}

// ofSeveral says whether the message stands for several that were held back together: it may be about other
// executions as well. Those that were silenced are not told in it.
func ofSeveral(d store.Delivery) bool {
	if d.Bundle == "" {
		return false
	}
	content, err := render.Unmarshal(d.Content)
	return err == nil && content.Digest != nil
}

// fades says whether the thread's note has to be written so that it is kept: once a day is enough.
func (p *part) fades() bool {
	return !p.due.IsZero() && time.Until(p.due) < threadKept-24*time.Hour
}

// begins says whether the delivery has to be the thread's holder: one that only replies has not.
func (p *part) begins() bool {
	return p.threading == notifier.Edits || p.threading == notifier.States || p.threading == notifier.Replies && p.root == nil
}

// join finds the thread that a delivery's message belongs to. Its error is a heldError, or that of the store.
func (o *Outbox) join(ctx context.Context, d store.Delivery, p *prepared) error {
	p.part = partOf(*p, d)
	if p.part.threading == notifier.Apart {
		return nil
	}
	note, t, err := o.thread(ctx, d, p.part)
	if err == nil && note.Version > 0 {
		p.part.due = note.Due
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
	p.part.root, p.part.stale = t.Root, nil
	if p.part.threading == notifier.Edits && t.newer(d, p.part.at) {
		p.part.stale = errStale
	}
	if p.part.threading == notifier.States {
		if p.part.late, err = o.before(ctx, d.ID, t.Last); p.part.late && t.State != p.part.state {
			p.part.stale = errOver
		}
		return t, err
	}
	if dest, ok := p.destination.(notifier.Threaded); ok && p.part.threading == notifier.Replies {
		p.destination = dest.WithRoot(t.Root)
	}
	return t, nil
}

// before says whether a delivery was made before another one. The store knows, whatever the clocks of servers show. Of
// one that was purged nobody knows any more.
func (o *Outbox) before(ctx context.Context, id, other string) (bool, error) {
	if other == "" || other == id {
		return false, nil
	}
	found, err := o.Store.DeliveriesOf(ctx, []string{id, other})
	if err != nil {
		return false, fmt.Errorf("read deliveries %s and %s: %w", id, other, err)
	}
	return len(found) == 2 && found[0].ID == id, nil
}

// claim makes a delivery, whose attempt has begun, the holder of its thread if it has to be. The error is a heldError,
// that of a stale part, or that of the store.
func (o *Outbox) claim(ctx context.Context, d store.Delivery, p *prepared) error {
	for range claimTries {
		if !p.part.begins() {
			return nil
		}
		note, t, err := o.thread(ctx, d, p.part)
		if err == nil {
			t, err = o.follow(ctx, d, p, t)
		}
		switch {
		case err != nil:
			return err
		case p.part.stale != nil:
			return p.part.stale
		case !p.part.begins():
			return nil // somebody else began it meanwhile
		}
		if t.Holder != d.ID || t.Root == nil && p.part.threading != notifier.States { // else the others have waited for it since then
			t.Since = time.Now().UTC()
		}
		t.Holder, t.At, t.Tells, t.Late = d.ID, p.part.at, p.part.state, p.part.late
		err = o.setThread(ctx, note, t)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return heldSince(time.Now())
}

// deliver sends the message, or edits the one of its thread. Where that is gone, a new one takes its place.
func (o *Outbox) deliver(ctx context.Context, d store.Delivery, p prepared, m notifier.Message) (notifier.Receipt, error) {
	n := p.connection.Notifier
	if updater, ok := n.(notifier.Updater); ok && p.part.threading == notifier.Edits && p.part.root != nil {
		r, err := updater.Update(ctx, p.destination, p.part.root, m)
		if !errors.Is(err, notifier.ErrMessageGone) {
			return r, err
		}
		if err := o.forget(ctx, d, p); err != nil {
			return nil, notifier.Retry.Errorf("begin a new message: %w", err)
		}
	}
	r, err := n.Send(ctx, p.destination, m)
	if dest, ok := p.destination.(notifier.Threaded); ok && p.part.root != nil && errors.Is(err, notifier.ErrMessageGone) {
		return n.Send(ctx, dest.WithRoot(nil), m)
	}
	return r, err
}

// forget writes down that the message of an edit is gone, before a new one is sent: if that one's answer is lost, it is
// no edit that is made again, and may come twice.
func (o *Outbox) forget(ctx context.Context, d store.Delivery, p prepared) error {
	note, t, err := o.thread(ctx, d, p.part)
	if err != nil {
		return err
	}
	if t.Holder != d.ID { // it took so long that another one edits, or begins, the message
		return heldSince(time.Now())
	}
	t.Root = nil
	return o.setThread(ctx, note, t)
}

// keep writes down where the thread is after a message of it was sent, before the outcome lets the next one go.
// Without that the next one looks at the holder, so a failure is only logged.
func (o *Outbox) keep(ctx context.Context, d store.Delivery, p prepared, r notifier.Receipt) {
	if p.part.threading == notifier.Apart {
		return
	}
	var root notifier.Receipt
	if dest, ok := p.destination.(notifier.Threaded); ok {
		root = dest.Root(r)
	}
	if p.part.threading == notifier.Replies && maps.Equal(root, p.part.root) && !p.part.fades() {
		return
	}
	note, t, err := o.thread(ctx, d, p.part)
	if err == nil {
		t, err = o.current(ctx, d, &p, t)
	}
	switch {
	case err != nil:
	case p.part.threading == notifier.States:
		if t.Holder == d.ID {
			err = o.setThread(ctx, note, t.stated())
		}
	case t.Holder == d.ID || t.Holder == "" && maps.Equal(t.Root, p.part.root):
		err = o.setThread(ctx, note, thread{Root: root, Shown: p.part.at, By: d.WatchID})
	}
	if _, held := errors.AsType[*heldError](err); err != nil && !held && !errors.Is(err, store.ErrConflict) {
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
	if errors.Is(err, errStale) || errors.Is(err, errOver) {
		return o.settle(u.record, d, o.superseded(d, err.Error()))
	}
	return l.fail(u, d, notifier.Retry.Errorf("find thread: %w", err))
}

// superseded is the outcome of a delivery that is not sent, and why: tables show that as its last error.
func (o *Outbox) superseded(d store.Delivery, why string) store.Outcome {
	o.strikes.clear(d.ID)
	now := time.Now().UTC()
	return store.Outcome{
		Attempt: attemptOf(d), State: store.Superseded, Double: d.Double, LastError: why, RenderError: d.RenderError, At: now,
		Event: store.Event{At: now, Kind: store.EventSuperseded, Text: fmt.Sprintf("%s: %s to %s not sent: %s", d.ID, d.Kind, d.Address, why)},
	}
}
