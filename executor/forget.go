package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// noteThread is of a thread of messages about an execution. The outbox writes it, and when it is due at the earliest.
const noteThread = "thread"

const threadLooks = time.Hour // between looks whether a thread may be needed still

// forgets removes notes that nobody needs any more. Any server does so, for scopes as well that nobody holds.
func (n *NotifierExecutor) forgets(ctx context.Context, now time.Time) error {
	var errs []error
	for _, kind := range []struct {
		name   string
		forget func(context.Context, flyte.Scope, []store.Note) error
	}{{noteWindow, n.closeWindows}, {noteThread, n.endThreads}} {
		first, err := n.store.NextDue(ctx, kind.name)
		if err == nil && !first.IsZero() && !first.After(now) {
			err = n.dueWhere(ctx, kind.name, now, func(flyte.ExecutionID) bool { return true }, kind.forget)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// closeWindows removes the notes of bundles that nobody has put anything into for long.
func (n *NotifierExecutor) closeWindows(ctx context.Context, _ flyte.Scope, notes []store.Note) error {
	c := store.Change{At: time.Now().UTC()}
	for _, note := range notes {
		note.Removed = true
		c.Notes = append(c.Notes, note)
	}
	return settled(n.store.Write(ctx, c))
}

// endThreads removes threads that nobody has told anything in for long, but for those of executions of which a watch
// is there still.
func (n *NotifierExecutor) endThreads(ctx context.Context, scope flyte.Scope, notes []store.Note) error {
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
	now := time.Now().UTC()
	c := store.Change{At: now}
	for _, note := range notes {
		note.Due, note.Removed = now.Add(threadLooks), !needed[note.Execution.Name]
		c.Notes = append(c.Notes, note)
	}
	return settled(n.store.Write(ctx, c))
}
