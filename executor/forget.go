package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const threadLooks = time.Hour // between looks whether a thread may be needed still

// forgets removes notes that nobody needs any more. Any server does so, for scopes as well that nobody holds. It asks
// the store alone: scopes whose calls to flyteadmin fail are neither left out nor called well by it.
func (n *NotifierExecutor) forgets(ctx context.Context, now time.Time) error {
	var errs []error
	for _, kind := range []struct {
		name   string
		forget func(context.Context, []store.Note) error
	}{{noteWindow, n.closeWindows}, {store.NoteThread, n.endThreads}} {
		first, err := n.store.NextDue(ctx, kind.name)
		if err == nil && !first.IsZero() && !first.After(now) {
			err = n.eachDue(ctx, kind.name, now, func(due []store.Note) error { return kind.forget(ctx, due) })
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// closeWindows removes the notes of bundles that nobody has put anything into for long.
func (n *NotifierExecutor) closeWindows(ctx context.Context, notes []store.Note) error {
	return n.forget(ctx, notes, func(note *store.Note, _ time.Time) { note.Removed = true })
}

// endThreads removes threads that nobody has told anything in for long, but for those of executions of which a watch
// is there still.
func (n *NotifierExecutor) endThreads(ctx context.Context, notes []store.Note) error {
	var errs []error
	for scope, all := range byScope(notes, func(flyte.ExecutionID) bool { return true }) {
		for batch := range slices.Chunk(all, namesPerCall) {
			errs = append(errs, n.endThreadsIn(ctx, scope, batch))
		}
	}
	return errors.Join(errs...)
}

func (n *NotifierExecutor) endThreadsIn(ctx context.Context, scope flyte.Scope, notes []store.Note) error {
	names := make([]string, len(notes))
	for i, note := range notes {
		names[i] = note.Execution.Name
	}
	watches, err := n.store.ByName(ctx, scope, time.Unix(0, 0), names)
	if err != nil {
		return fmt.Errorf("find who needs %d threads: %w", len(notes), err)
	}
	needed := map[string]bool{}
	for _, w := range watches {
		needed[w.Execution.Name] = true
	}
	return n.forget(ctx, notes, func(note *store.Note, now time.Time) {
		note.Due, note.Removed = now.Add(threadLooks), !needed[note.Execution.Name]
	})
}

// forget writes notes as an edit makes them: together, or each for itself where somebody else has written one of them
// meanwhile, who wants it as it is then.
func (n *NotifierExecutor) forget(ctx context.Context, notes []store.Note, edit func(note *store.Note, now time.Time)) error {
	c := store.Change{At: time.Now().UTC(), Notes: slices.Clone(notes)}
	for i := range c.Notes {
		edit(&c.Notes[i], c.At)
	}
	err := n.store.Write(ctx, c)
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	return eachNote(c.Notes, func(note store.Note) error {
		return settled(n.store.Write(ctx, store.Change{At: c.At, Notes: []store.Note{note}}))
	})
}
