package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// sink takes the rows that the feed read, also for watches at which a first look is under way: what that
// has read may be older, and be written when no read by time tells of the row any more.
type sink struct{ n *NotifierExecutor }

// Rows implements flyte.Sink. Rows come again and again; only a difference to the store makes a read of
// facts.
func (s sink) Rows(ctx context.Context, scope flyte.Scope, rows []flyte.Row, _ flyte.Look) (int, error) {
	byName, err := s.n.watches(ctx, scope, rows)
	if err != nil {
		return 0, err
	}
	return s.n.see(ctx, scope, rows, byName)
}

// see moves those watches, by the name of a row, that the row is news to, and returns how many there were.
func (n *NotifierExecutor) see(ctx context.Context, scope flyte.Scope, rows []flyte.Row, byName map[string][]store.Watch) (int, error) {
	var news atomic.Int64
	var reads, writes errgroup.Group // without a context: one failure does not stop the others
	reads.SetLimit(readers)
	writes.SetLimit(writers)
	now := time.Now().UTC() // one for all: a timer that is due a moment later must not be told by what a row knows
	var ends []end
	for _, row := range rows {
		id := flyte.ExecutionID{Scope: scope, Name: row.Name}
		var loud []store.Watch
		for _, w := range byName[row.Name] {
			sets, quietly := rulesets(nil), false
			if w.Execution == id {
				sets, quietly = n.entersQuietly(w, row, now)
			}
			if !quietly {
				loud = append(loud, w)
				continue
			}
			writes.Go(func() error { return n.enter(ctx, w, rowFacts(w, row), sets, now) })
		}
		switch {
		case !concerns(loud, row):
		case ofSeries(loud, row):
			ends = append(ends, end{id: id, watches: loud})
		default:
			reads.Go(func() error {
				moved, err := n.refresh(ctx, id, loud)
				news.Add(int64(moved))
				return err
			})
		}
	}
	for _, ordered := range n.inOrder(ctx, ends) {
		reads.Go(func() error {
			moved, err := n.refreshAll(ctx, ordered)
			news.Add(int64(moved))
			return err
		})
	}
	err := errors.Join(reads.Wait(), writes.Wait())
	return int(news.Load()), err
}

// watches reads the watches behind the rows, by the name of the row that may be news to them.
func (n *NotifierExecutor) watches(ctx context.Context, scope flyte.Scope, rows []flyte.Row) (map[string][]store.Watch, error) {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
	}
	all, err := n.store.ByName(ctx, scope, n.graceStart(), names)
	if err != nil {
		return nil, fmt.Errorf("read watches of %s: %w", scope, err)
	}
	byName := map[string][]store.Watch{}
	for _, w := range all {
		if w.Execution.Scope == scope {
			byName[w.Execution.Name] = append(byName[w.Execution.Name], w)
		}
		if w.Own.Scope == scope && w.Own != w.Execution {
			byName[w.Own.Name] = append(byName[w.Own.Name], w)
		}
	}
	return byName, nil
}

// concerns says whether a row differs from what a watch has recorded.
func concerns(all []store.Watch, row flyte.Row) bool {
	for _, w := range all {
		switch {
		case done(w):
		case w.Execution.Name != row.Name: // the row is of the execution that the waiting task runs in
			if w.State == store.Active && flyte.Terminal(row.Phase) {
				return true
			}
		case w.Node != "":
			if w.State == store.Active && flyte.Terminal(row.Phase) {
				return true
			}
		case w.Phase != row.Phase:
			return true
		}
	}
	return false
}

// done says whether nothing that flyteadmin tells moves the watch: a send follows nothing, a
// cancelled or lost one no longer does. An ended one is not done: a phase that goes back reopens it.
func done(w store.Watch) bool {
	return w.Kind != store.Follow || w.State == store.Cancelled || w.State == store.Lost
}

// enter records the first phase of a watch that tells nobody of it: the row says enough, so that most new
// watches cost no read of facts. A row is only ever trusted for a first look: of a watch that somebody
// moved meanwhile it might be older news. That a new watch finds its execution running is no news for the log.
func (n *NotifierExecutor) enter(ctx context.Context, w store.Watch, f Facts, sets rulesets, now time.Time) error {
	defer n.alone(w, f, sets)()
	t, err := n.transition(ctx, w, f, false, now, sets, nil)
	if err == nil {
		err = n.commit(ctx, t, now)
	}
	if errors.Is(err, store.ErrConflict) {
		return nil // whoever moved it knows more
	}
	if err == nil {
		n.metrics.failed(t)
	}
	return err
}

// rowFacts are what a row tells: enough to judge by that nothing happens yet.
func rowFacts(w store.Watch, row flyte.Row) Facts {
	return Facts{Execution: flyte.Execution{
		ID: w.Execution, Phase: row.Phase, CreatedAt: row.CreatedAt, StartedAt: row.StartedAt,
	}}
}

// entersQuietly says whether nothing but the phase is to be recorded when a new watch finds its
// execution in that phase, and what its rules are. A spec that cannot be read is no quiet matter; nor is a
// subscription's watch, since a row does not tell of which launch plan it is.
func (n *NotifierExecutor) entersQuietly(w store.Watch, row flyte.Row, now time.Time) (rulesets, bool) {
	if w.Kind != store.Follow || w.State != store.Active || w.Phase != "" || w.Node != "" || flyte.Terminal(row.Phase) || isSubscribed(w) {
		return nil, false
	}
	f := rowFacts(w, row)
	sets, err := n.rulesets(w, f.Execution)
	return sets, err == nil && !sets.happen(f, now)
}

// refresh reads an execution's facts once and moves every one of these watches that they are news to.
// That read is the confirmation: where it differs from the row that led here, it is the truth. The
// watches were read before: one that another server moves meanwhile is a conflict, and judged anew by
// newer facts.
func (n *NotifierExecutor) refresh(ctx context.Context, id flyte.ExecutionID, watches []store.Watch) (moved int, err error) {
	x, err := n.facts(ctx, id)
	if err != nil {
		return 0, err
	}
	return n.refreshBy(ctx, x, watches)
}

// refreshBy is refresh for facts that were read just now.
func (n *NotifierExecutor) refreshBy(ctx context.Context, x flyte.Execution, watches []store.Watch) (moved int, err error) {
	for round := range 3 {
		if round > 0 {
			if watches, err = n.again(ctx, x.ID, watches); err != nil {
				return moved, err
			}
			if x, err = n.facts(ctx, x.ID); err != nil {
				return moved, err
			}
		}
		did, err := n.moveAll(ctx, x, watches)
		moved += did
		if !errors.Is(err, store.ErrConflict) {
			return moved, err
		}
	}
	return moved, fmt.Errorf("move watches of %s: %w", x.ID, store.ErrConflict)
}

// again reads the watches of an execution once more.
func (n *NotifierExecutor) again(ctx context.Context, id flyte.ExecutionID, watches []store.Watch) ([]store.Watch, error) {
	now, err := n.store.ByName(ctx, id.Scope, n.graceStart(), []string{id.Name})
	if err != nil {
		return nil, fmt.Errorf("read watches of %s: %w", id, err)
	}
	return slices.DeleteFunc(now, func(w store.Watch) bool {
		return !slices.ContainsFunc(watches, func(v store.Watch) bool { return v.ID == w.ID })
	}), nil
}

// facts reads an execution, and the node that failed when it did.
func (n *NotifierExecutor) facts(ctx context.Context, id flyte.ExecutionID) (flyte.Execution, error) {
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	x, err := n.admin.Execution(ctx, id)
	if err != nil {
		return x, err
	}
	if x.Phase == "FAILED" || x.Phase == "TIMED_OUT" || x.Phase == "FAILING" {
		ctx, cancel := context.WithTimeout(ctx, sendFacts)
		defer cancel()
		if x.FailedNode, err = n.admin.FailedNode(ctx, id); err != nil {
			n.log.DebugContext(ctx, "failed node is not known", "execution", id.String(), "error", err)
		}
	}
	return x, nil
}

// moveAll moves every watch that x is news to, and returns how many had had another phase. One watch's
// failure does not stop the others.
func (n *NotifierExecutor) moveAll(ctx context.Context, x flyte.Execution, watches []store.Watch) (moved int, err error) {
	var errs []error
	for _, w := range watches {
		did, err := n.move(ctx, w, x)
		if did && err == nil && w.Phase != "" {
			moved++ // what a first look finds is no news of a read
		}
		errs = append(errs, err)
	}
	return moved, errors.Join(errs...)
}

// move brings one watch to the facts of x.
func (n *NotifierExecutor) move(ctx context.Context, w store.Watch, x flyte.Execution) (bool, error) {
	now := time.Now().UTC()
	switch {
	case done(w):
		return false, nil
	case w.Execution != x.ID:
		return n.cancelOrphan(ctx, w, x, now)
	case w.Node != "":
		return n.moveNode(ctx, w, x, now)
	case w.Phase == x.Phase:
		return false, nil
	}
	return n.judge(ctx, w, Facts{Execution: x}, flyte.Terminal(x.Phase), now)
}

// cancelOrphan ends a waiting watch whose own task's execution has ended: an abort can lose its
// DeleteTask.
func (n *NotifierExecutor) cancelOrphan(ctx context.Context, w store.Watch, own flyte.Execution, now time.Time) (bool, error) {
	if w.State != store.Active || w.Own != own.ID || !flyte.Terminal(own.Phase) {
		return false, nil
	}
	w.State, w.EndedAt = store.Cancelled, now
	w.Reason = fmt.Sprintf("the task's own execution %s ended: %s", own.ID.Name, own.Phase)
	return true, n.store.Move(ctx, store.Transition{
		Watch: w, Events: []store.Event{{At: now, Kind: store.EventCancelled, Text: w.Reason}},
	})
}
