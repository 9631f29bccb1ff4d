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

// clock wakes the timers when one is set that is due before all others.
type clock struct {
	mu   sync.Mutex
	next time.Time // when the timers wake by themselves
	wake chan struct{}
}

// alarm sees to it that the timers look at the notes at that time. It never blocks.
func (n *NotifierExecutor) alarm(at time.Time) {
	if at.IsZero() {
		return
	}
	n.clock.mu.Lock()
	defer n.clock.mu.Unlock()
	if !at.Before(n.clock.next) {
		return
	}
	n.clock.next = at
	select {
	case n.clock.wake <- struct{}{}:
	default: // it wakes already
	}
}

// timers looks at every watch whose time has come. A failing store or flyteadmin delays it: a condition is
// told only once a read has confirmed it.
func (n *NotifierExecutor) timers(ctx context.Context) error {
	for {
		next, err := n.dueLooks(ctx)
		if err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "timers are held up", "error", err)
		}
		if err := n.untilAlarm(ctx, next); err != nil {
			return err
		}
	}
}

// untilAlarm waits until that time, or less when an earlier alarm is set meanwhile.
func (n *NotifierExecutor) untilAlarm(ctx context.Context, next time.Time) error {
	n.clock.mu.Lock()
	n.clock.next = next
	n.clock.mu.Unlock()
	for {
		n.clock.mu.Lock()
		wait := time.Until(n.clock.next)
		n.clock.mu.Unlock()
		if wait <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-n.clock.wake:
			timer.Stop()
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
	}{{noteProgress, n.lookAll}, {noteSeries, n.overdueAll}, {noteWindow, n.closeWindows}} {
		first, err := n.store.NextDue(ctx, kind.name)
		if err == nil && !first.IsZero() && !first.After(now) {
			errs = append(errs, n.dueOf(ctx, kind.name, now, kind.look))
			first, err = n.store.NextDue(ctx, kind.name)
		}
		if errs = append(errs, err); first.After(now) { // what is due still is another server's, or was put off
			next = earliest(next, first)
		}
	}
	held, err := n.release(ctx, now)
	if errs = append(errs, err); held.After(now) {
		next = earliest(next, held)
	}
	return next, errors.Join(errs...)
}

// dueOf looks at the notes of a kind that are due.
func (n *NotifierExecutor) dueOf(ctx context.Context, kind string, now time.Time, look func(context.Context, []store.Note) error) error {
	held := n.holding.Load()
	var errs []error
	for after := (store.Note{}); ; {
		due, err := n.store.DueNotes(ctx, kind, now, after, duePage)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("find what is due: %w", err))...)
		}
		mine := map[flyte.Scope][]store.Note{}
		for _, note := range due {
			if held.has(note.Execution) {
				mine[note.Execution.Scope] = append(mine[note.Execution.Scope], note)
			}
		}
		errs = append(errs, inScopes(n, mine, func(_ flyte.Scope, batch []store.Note) error { return look(ctx, batch) }))
		if len(due) < duePage {
			return errors.Join(errs...)
		}
		after = due[len(due)-1]
	}
}

// lookAll looks at the watches of these notes.
func (n *NotifierExecutor) lookAll(ctx context.Context, notes []store.Note) error {
	var g errgroup.Group // without a context: one failure does not stop the others
	g.SetLimit(readers)
	var mu sync.Mutex
	var errs []error
	for _, note := range notes {
		g.Go(func() error {
			err := n.lookAgain(ctx, note)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// lookAgain judges a watch by new facts, though no change was seen.
func (n *NotifierExecutor) lookAgain(ctx context.Context, note store.Note) error {
	w, err := n.store.Watch(ctx, note.WatchID)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("read watch %s: %w", note.WatchID, err)
	case err != nil || w.State == store.Cancelled || w.State == store.Lost || w.Execution.Name == "":
		return n.rest(ctx, note)
	}
	x, err := n.facts(ctx, w.Execution)
	if errors.Is(err, flyte.ErrNotFound) {
		return n.rest(ctx, note) // flyteadmin keeps all executions: this one was removed by hand
	}
	if err != nil {
		return err
	}
	f := Facts{Execution: x}
	ended := flyte.Terminal(x.Phase)
	if w.Node != "" {
		node, err := n.node(ctx, w)
		if err != nil {
			return err
		}
		f.Node, ended = &node, ended || flyte.NodeTerminal(node.Phase)
	}
	if err := n.gatherFor(ctx, w, &f); err != nil {
		return err
	}
	_, err = n.judge(ctx, w, f, ended, time.Now().UTC())
	return settled(err)
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
