package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	duePage  = 500         // notes that are due, read at once
	dueEvery = time.Second // between looks for notes that another server wrote
)

// alarm wakes who waits for it when one is set that is due before all others.
type alarm struct {
	mu   sync.Mutex
	next time.Time // when who waits wakes by itself
	wake chan struct{}
}

func newAlarm() *alarm { return &alarm{wake: make(chan struct{}, 1)} }

// set sees to it that who waits wakes at that time. It never blocks.
func (a *alarm) set(at time.Time) {
	if at.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !at.Before(a.next) {
		return
	}
	a.next = at
	select {
	case a.wake <- struct{}{}:
	default: // it wakes already
	}
}

// wait waits until that time, or less when an earlier alarm is set meanwhile. The error is the context's.
func (a *alarm) wait(ctx context.Context, next time.Time) error {
	a.mu.Lock()
	a.next = next
	a.mu.Unlock()
	for {
		a.mu.Lock()
		left := time.Until(a.next)
		a.mu.Unlock()
		if left <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-a.wake:
			timer.Stop()
		}
	}
}

// timers looks at every watch whose time has come. A failing store or flyteadmin delays it: a condition is
// told only once a read has confirmed it.
func (n *NotifierExecutor) timers(ctx context.Context) error {
	return n.whenDue(ctx, n.clock, n.dueLooks)
}

// whenDue does something whenever the alarm wakes it, and when it wants to be done next.
func (n *NotifierExecutor) whenDue(ctx context.Context, a *alarm, do func(context.Context) (next time.Time, err error)) error {
	for {
		next, err := do(ctx)
		if err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "what is due is held up", "error", err)
		}
		if err := a.wait(ctx, next); err != nil {
			return err
		}
	}
}

// dueLooks looks at all that is due of this server's shards, and returns when to do so again.
func (n *NotifierExecutor) dueLooks(ctx context.Context) (next time.Time, err error) {
	now := time.Now().UTC()
	next = now.Add(dueEvery)
	var errs []error
	for _, kind := range []struct {
		name string
		look func(context.Context, []store.Note) error
	}{{noteProgress, n.lookAll}, {noteSeries, n.overdueAll}} {
		first, err := n.store.NextDue(ctx, kind.name)
		if err == nil && !first.IsZero() && !first.After(now) {
			errs = append(errs, n.dueOf(ctx, kind.name, now, kind.look))
			first, err = n.store.NextDue(ctx, kind.name)
		}
		if errs = append(errs, err); first.After(now) { // what is due still is another server's, or was put off
			next = earliest(next, first)
		}
	}
	return next, errors.Join(errs...)
}

// dueOf looks at the notes of a kind that are due, of this server's shards.
func (n *NotifierExecutor) dueOf(ctx context.Context, kind string, now time.Time, look func(context.Context, []store.Note) error) error {
	held := n.holding.Load()
	return n.eachDue(ctx, kind, now, func(due []store.Note) error {
		mine := byScope(due, held.has)
		return inScopes(n, mine, func(_ flyte.Scope, batch []store.Note) error { return look(ctx, batch) })
	})
}

// eachDue does something with all notes of a kind that are due, a page at a time. One failure does not stop the others.
func (n *NotifierExecutor) eachDue(ctx context.Context, kind string, now time.Time, do func(page []store.Note) error) error {
	var errs []error
	for after := (store.Note{}); ; {
		due, err := n.store.DueNotes(ctx, kind, now, after, duePage)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("find what is due: %w", err))...)
		}
		errs = append(errs, do(due))
		if len(due) < duePage {
			return errors.Join(errs...)
		}
		after = due[len(due)-1]
	}
}

// byScope are the notes of some executions, by scope.
func byScope(notes []store.Note, of func(flyte.ExecutionID) bool) map[flyte.Scope][]store.Note {
	all := map[flyte.Scope][]store.Note{}
	for _, note := range notes {
		if of(note.Execution) {
			all[note.Execution.Scope] = append(all[note.Execution.Scope], note)
		}
	}
	return all
}

// lookAll looks at the watches of these notes.
func (n *NotifierExecutor) lookAll(ctx context.Context, notes []store.Note) error {
	return eachNote(notes, func(note store.Note) error {
		_, err := n.lookAgain(ctx, note)
		return err
	})
}

// eachNote does something for every note, some at once. One failure does not stop the others.
func eachNote(notes []store.Note, do func(store.Note) error) error {
	var g errgroup.Group
	g.SetLimit(readers)
	errs := make([]error, len(notes))
	for i, note := range notes {
		g.Go(func() error {
			errs[i] = do(note)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// lookAgain judges a watch by new facts, though no change was seen. done says whether it did: not where somebody was
// faster, who may have judged by older ones.
func (n *NotifierExecutor) lookAgain(ctx context.Context, note store.Note) (done bool, err error) {
	w, err := n.store.Watch(ctx, note.WatchID)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return false, fmt.Errorf("read watch %s: %w", note.WatchID, err)
	case err != nil || w.State == store.Cancelled || w.State == store.Lost || w.Execution.Name == "":
		return true, n.rest(ctx, note)
	}
	x, err := n.facts(ctx, w.Execution)
	if errors.Is(err, flyte.ErrNotFound) {
		return true, n.rest(ctx, note) // flyteadmin keeps all executions: this one was removed by hand
	}
	if err != nil {
		return false, err
	}
	f := Facts{Execution: x}
	ended := flyte.Terminal(x.Phase)
	if w.Node != "" {
		node, err := n.node(ctx, w)
		if err != nil {
			return false, err
		}
		f.Node, ended = &node, ended || flyte.NodeTerminal(node.Phase)
	}
	sets, err := n.rulesets(w, x)
	if need := sets.needs(); err != nil || !need.memory || note.Kind == noteLook && !need.looks() {
		return true, n.rest(ctx, note) // its rules were edited, or cannot be read any more: that is shown when it moves
	}
	_, err = n.judge(ctx, w, f, ended, time.Now().UTC())
	return err == nil, settled(err)
}

// rest ends the looks at a watch that is not followed any more. What it has told stays remembered: it may be
// reopened.
func (n *NotifierExecutor) rest(ctx context.Context, note store.Note) error {
	note.Due, note.Removed = time.Time{}, note.Kind == noteLook
	return settled(n.store.Write(ctx, store.Change{At: time.Now().UTC(), Notes: []store.Note{note}}))
}

// settled is an error other than that somebody was faster, who has seen to it.
func settled(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}
