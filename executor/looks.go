package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// looks looks into every execution of which a rule watches gates, nodes or their limits: no list call tells of
// those. It goes at this server's part of Config.NodeCalls a second at most.
func (n *NotifierExecutor) looks(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(readers)
	var errs []error
	there := map[string]bool{}
	for after := ""; ; {
		notes, err := n.store.AllNotes(ctx, noteLook, after, namesPerCall)
		if err != nil {
			errs = append(errs, fmt.Errorf("find executions to look into: %w", err))
		}
		if len(notes) == 0 {
			break
		}
		after = notes[len(notes)-1].Key
		held := n.holding.Load()
		for _, note := range notes {
			there[note.WatchID] = true
			if held.has(note.Execution) && n.pauses.over(note.Execution.Scope) {
				g.Go(func() error { return n.lookInto(ctx, note) })
			}
		}
	}
	errs = append(errs, g.Wait())
	n.inside.Range(func(watch, _ any) bool {
		if id, _ := watch.(string); !there[id] && len(errs) == 1 {
			n.inside.Delete(watch)
		}
		return true
	})
	return errors.Join(errs...)
}

// lookInto judges a watch anew if the inside of its execution has changed since this server last did.
func (n *NotifierExecutor) lookInto(ctx context.Context, note store.Note) error {
	w, err := n.store.Watch(ctx, note.WatchID)
	if errors.Is(err, store.ErrNotFound) || err == nil && w.State != store.Active {
		n.inside.Delete(note.WatchID)
		return n.rest(ctx, note)
	}
	if err != nil {
		return fmt.Errorf("read watch %s: %w", note.WatchID, err)
	}
	sets, err := n.rulesets(w, flyte.Execution{ID: w.Execution})
	if err != nil {
		return n.rest(ctx, note)
	}
	need := sets.needs()
	for range need.calls() {
		if err := n.nodeCalls.Wait(ctx); err != nil {
			return nil //nolint:nilerr // stopping, or the next look comes sooner
		}
	}
	f := Facts{Execution: flyte.Execution{ID: w.Execution, Phase: w.Phase}}
	if err := n.gather(ctx, &f, need); err != nil {
		return err
	}
	now := f.inside()
	if before, ok := n.inside.Load(w.ID); ok && before == now {
		return nil
	}
	n.inside.Store(w.ID, now) // before, since it is forgotten when this look finds the end
	done, err := n.lookAgain(ctx, note)
	if err != nil || !done {
		n.inside.Delete(w.ID)
	}
	return err
}

// inside is what no list call tells, in short.
func (f Facts) inside() string {
	var parts []string
	for _, g := range f.Gates {
		parts = append(parts, "gate "+g.Signal)
	}
	for _, node := range f.Nodes {
		parts = append(parts, node.ID+" "+node.Phase)
	}
	for _, node := range f.Running {
		parts = append(parts, fmt.Sprint(node.ID, " ", node.StartedAt.UnixMicro(), " ", node.Timeout))
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}
