package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// namesPerCall is how many executions one list call asks for.
const namesPerCall = 100

// When so many watches were registered during one look, the next waits for more: calls for all the
// names they can take are fewer.
const (
	manyWoken = 8
	gather    = 250 * time.Millisecond
)

// wokenLooks looks at once at the executions of watches that were registered here. While many are
// registered it takes its time: the tasks that come must be answered, the looks may be a bit later.
func (n *NotifierExecutor) wokenLooks(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case first := <-n.follow:
			begin, many := time.Now(), len(n.follow) >= manyWoken
			err := inScopes(n, n.woken(first), func(scope flyte.Scope, batch []store.Watch) error {
				_, err := n.look(ctx, scope, batch)
				return err
			})
			if err != nil && ctx.Err() == nil {
				n.log.WarnContext(ctx, "new watches are not looked at yet", "error", err)
			}
			if many {
				_ = sleep(ctx, min(max(2*time.Since(begin), gather), n.cfg.Feed.Interval)) // the loop sees the end
			}
		}
	}
}

// woken is what waits to be looked at, by scope.
func (n *NotifierExecutor) woken(first store.Watch) map[flyte.Scope][]store.Watch {
	all := map[flyte.Scope][]store.Watch{first.Execution.Scope: append(make([]store.Watch, 0, 1+len(n.follow)), first)}
	for range wokenBatch {
		select {
		case w := <-n.follow:
			all[w.Execution.Scope] = append(all[w.Execution.Scope], w)
		default:
			return all
		}
	}
	return all
}

// firstLooks looks at the watches of this server's shards that nobody has looked at for an interval:
// where the first look failed, or the server died that had registered them.
func (n *NotifierExecutor) firstLooks(ctx context.Context) error {
	for {
		fresh, err := n.store.Fresh(ctx, store.Follow, freshBatch)
		if err != nil {
			return fmt.Errorf("find new watches: %w", err)
		}
		held, mine := n.holding.Load(), map[flyte.Scope][]store.Watch{}
		for _, w := range fresh {
			if n.isOld(w) && held.has(w.Execution) {
				mine[w.Execution.Scope] = append(mine[w.Execution.Scope], w)
			}
		}
		var looked atomic.Int64
		err = inScopes(n, mine, func(scope flyte.Scope, batch []store.Watch) error {
			moved, err := n.firstLook(ctx, scope, batch)
			looked.Add(int64(moved))
			return err
		})
		if err != nil || len(fresh) < freshBatch || looked.Load() == 0 {
			return err
		}
	}
}

// isOld says whether the server that registered a watch has had its time to see to it.
func (n *NotifierExecutor) isOld(w store.Watch) bool {
	return time.Since(w.CreatedAt) >= n.cfg.Feed.Interval
}

// inScopes does something with every scope's items, namesPerCall at a time; scopes that failed
// lately are left out.
func inScopes[T any](n *NotifierExecutor, all map[flyte.Scope][]T, do func(scope flyte.Scope, batch []T) error) error {
	var g errgroup.Group
	g.SetLimit(readers)
	var mu sync.Mutex
	var failures []error
	for scope, items := range all {
		if !n.pauses.over(scope) {
			continue
		}
		g.Go(func() error {
			var errs []error
			for batch := range slices.Chunk(items, namesPerCall) {
				errs = append(errs, do(scope, batch))
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

// look reads the executions of new watches without a time filter, and moves the watches: the phase found
// there counts as entered. They are taken as they were read or registered: one that somebody has moved
// since is a conflict. found are the names that flyteadmin listed.
func (n *NotifierExecutor) look(ctx context.Context, scope flyte.Scope, watches []store.Watch) (found map[string]bool, err error) {
	byName := make(map[string][]store.Watch, len(watches))
	for _, w := range watches {
		byName[w.Execution.Name] = append(byName[w.Execution.Name], w)
	}
	listCtx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	rows, err := n.admin.List(listCtx, scope, slices.Sorted(maps.Keys(byName)), time.Time{})
	if err != nil {
		return nil, fmt.Errorf("first look at %d executions of %s: %w", len(byName), scope, err)
	}
	found = make(map[string]bool, len(rows))
	for _, row := range rows {
		found[row.Name] = true
	}
	_, err = n.see(ctx, scope, rows, byName)
	return found, err
}

// firstLook looks at watches, and sees to those whose execution is not there. It returns how many
// are.
func (n *NotifierExecutor) firstLook(ctx context.Context, scope flyte.Scope, watches []store.Watch) (int, error) {
	found, err := n.look(ctx, scope, watches)
	if found == nil {
		return 0, err
	}
	var g errgroup.Group
	g.SetLimit(readers)
	for _, w := range watches {
		if !found[w.Execution.Name] {
			g.Go(func() error { return n.absent(ctx, w) })
		}
	}
	return len(found), errors.Join(err, g.Wait())
}

// absent deals with an execution that its first look did not show. It is lost when flyteadmin
// says NotFound twice, lostAfter apart; anything else is tried again at the next look.
func (n *NotifierExecutor) absent(ctx context.Context, w store.Watch) error {
	now := time.Now().UTC()
	if !w.Missing.IsZero() && now.Sub(w.Missing) < lostAfter {
		return nil
	}
	_, err := n.refresh(ctx, w.Execution, []store.Watch{w})
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
