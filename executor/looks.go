package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

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
	x, err := lookedAt(note)
	if err != nil {
		return err
	}
	sets, err := n.rulesets(w, x)
	if err != nil {
		return n.rest(ctx, note)
	}
	need := sets.needs()
	if !need.looks() {
		return n.unneeded(ctx, note)
	}
	if !note.Due.IsZero() {
		if err := n.restAt(ctx, note, time.Time{}); err != nil {
			return err
		}
	}
	if err := n.spend(ctx, need.calls()); err != nil {
		return nil //nolint:nilerr // stopping, or the next look comes sooner
	}
	x.Phase = w.Phase
	f := Facts{Execution: x}
	missing := n.gather(ctx, &f, need.inside())
	owed := f.more
	defer func() { _ = n.spend(ctx, owed) }() // it fails when stopping
	var before inside
	if known, ok := n.inside.Load(w.ID); ok {
		if was, ok := known.(*inside); ok {
			before = *was
		}
	}
	now := f.inside(before)
	if maps.Equal(before, now) {
		return missing
	}
	n.inside.Store(w.ID, &now)        // before, since it is forgotten when this look finds the end
	owed += 1 + need.calls() + f.more // judging reads the execution, and all that once more
	done, err := n.lookAgain(ctx, note)
	if err != nil || !done {
		n.inside.Delete(w.ID)
	}
	return errors.Join(missing, err)
}

// unneeded ends the looks at a watch of which no rule needs them any more; not at once, since another server's config may
// have one that does.
func (n *NotifierExecutor) unneeded(ctx context.Context, note store.Note) error {
	now := time.Now().UTC()
	switch {
	case n.subscribed.Load() == nil:
		return nil // nobody knows the rules yet
	case note.Due.IsZero():
		return n.restAt(ctx, note, now.Add(keepsBirth))
	case now.Before(note.Due):
		return nil
	}
	n.inside.Delete(note.WatchID)
	return n.rest(ctx, note)
}

// restAt notes when the looks at a watch end, unless a rule needs them before; zero: they are needed.
func (n *NotifierExecutor) restAt(ctx context.Context, note store.Note, at time.Time) error {
	note.Due = at
	return settled(n.store.Write(ctx, store.Change{At: time.Now().UTC(), Notes: []store.Note{note}}))
}

// unknown sees to it that a look that can read what these facts lack judges the watch by it, though it may be what the last
// one had read.
func (n *NotifierExecutor) unknown(w store.Watch, f Facts) {
	known, ok := n.inside.Load(w.ID)
	if !ok || !f.lacks.looks() {
		return
	}
	judged, read := inside{}, f.inside(nil)
	if before, ok := known.(*inside); ok {
		judged = maps.Clone(*before)
	}
	maps.DeleteFunc(judged, func(what, _ string) bool { return read[what] == "" })
	if !n.inside.CompareAndSwap(w.ID, known, &judged) {
		n.inside.Delete(w.ID)
	}
}

// spend waits until so many calls may be made.
func (n *NotifierExecutor) spend(ctx context.Context, calls int) error {
	for range calls {
		if err := n.nodeCalls.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// inside is what no list call tells, in short, by what was read.
type inside map[string]string

// inside is what the facts tell of it; what they lack is as it was before.
func (f Facts) inside(before inside) inside {
	now := inside{}
	tell := func(what string, lacking bool, parts ...string) {
		if !lacking {
			slices.Sort(parts)
			now[what] = fmt.Sprint(parts)
		} else if was, ok := before[what]; ok {
			now[what] = was
		}
	}
	var gates, running []string
	for _, g := range f.Gates {
		gates = append(gates, g.Signal)
	}
	for _, node := range f.Running {
		running = append(running, fmt.Sprint(node.ID, " ", node.StartedAt.UnixMicro(), " ", node.Timeout))
	}
	tell("gates", f.lacks.gates, gates...)
	tell("running", f.lacks.running, running...)
	for id, node := range f.Nodes {
		tell("node "+id, false, node.Phase)
	}
	for _, id := range f.lacks.nodes {
		tell("node "+id, true)
	}
	return now
}
