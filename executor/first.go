package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// namesPerCall is how many executions one list call asks for.
const namesPerCall = 100

// firstLooks reads, without a time filter, the executions of watches that nobody has looked at:
// the phase found there counts as entered.
func (n *NotifierExecutor) firstLooks(ctx context.Context) error {
	fresh, err := n.store.Fresh(ctx, store.Follow, freshBatch)
	if err != nil {
		return fmt.Errorf("find new watches: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(readers)
	var mu sync.Mutex
	var failures []error
	for scope, watches := range byScope(fresh) {
		if !n.pauses.over(scope) {
			continue
		}
		g.Go(func() error {
			var errs []error
			for batch := range slices.Chunk(watches, namesPerCall) {
				errs = append(errs, n.firstLook(ctx, scope, batch))
			}
			err := errors.Join(errs...)
			n.pauses.note(scope, n.cfg.Feed.Interval, err)
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, err)
			return nil
		})
	}
	return errors.Join(append(failures, g.Wait())...)
}

func byScope(all []store.Watch) map[flyte.Scope][]store.Watch {
	m := map[flyte.Scope][]store.Watch{}
	for _, w := range all {
		m[w.Execution.Scope] = append(m[w.Execution.Scope], w)
	}
	return m
}

func (n *NotifierExecutor) firstLook(ctx context.Context, scope flyte.Scope, watches []store.Watch) error {
	seen := map[string]bool{}
	var names []string
	for _, w := range watches {
		if !seen[w.Execution.Name] {
			seen[w.Execution.Name] = true
			names = append(names, w.Execution.Name)
		}
	}
	listCtx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	rows, err := n.admin.List(listCtx, scope, names, time.Time{})
	if err != nil {
		return fmt.Errorf("first look at %d executions of %s: %w", len(names), scope, err)
	}
	for _, row := range rows {
		delete(seen, row.Name)
	}
	_, err = n.rows(ctx, scope, rows, func(w store.Watch) bool { return w.Phase == "" })
	var g errgroup.Group
	g.SetLimit(readers)
	for _, w := range watches {
		if seen[w.Execution.Name] {
			g.Go(func() error { return n.absent(ctx, w) })
		}
	}
	return errors.Join(err, g.Wait())
}

// absent deals with an execution that its first look did not show. It is lost when flyteadmin
// says NotFound twice, lostAfter apart; anything else is tried again at the next look.
func (n *NotifierExecutor) absent(ctx context.Context, w store.Watch) error {
	now := time.Now().UTC()
	if !w.Missing.IsZero() && now.Sub(w.Missing) < lostAfter {
		return nil
	}
	_, err := n.refresh(ctx, w.Execution)
	if !errors.Is(err, flyte.ErrNotFound) {
		return err
	}
	t := store.Transition{Watch: w}
	if w.Missing.IsZero() {
		t.Watch.Missing = now
		t.Events = []store.Event{{At: now, Kind: "missing", Text: "flyteadmin does not know " + w.Execution.String()}}
	} else {
		t.Watch.State, t.Watch.EndedAt = store.Lost, now
		t.Watch.Reason = fmt.Sprintf("flyteadmin does not know execution %s", w.Execution)
		t.Events = []store.Event{{At: now, Kind: "lost", Text: t.Watch.Reason}}
	}
	return n.store.Move(ctx, t)
}
