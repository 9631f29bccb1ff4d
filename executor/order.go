package executor

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// end is an execution that a row says has ended, with the watches that this is news to.
type end struct {
	id      flyte.ExecutionID
	watches []store.Watch
	facts   flyte.Execution
	err     error // why there are none
}

// ofSeries says whether a row may be the end of an execution that a launch plan's history hears of.
func ofSeries(all []store.Watch, row flyte.Row) bool {
	return flyte.Terminal(row.Phase) && slices.ContainsFunc(all, isSubscribed)
}

// inOrder returns ends by launch plan, those of each in the order in which they happened: what was over long
// before it was seen, as after an outage, is told as it was.
func (n *NotifierExecutor) inOrder(ctx context.Context, all []end) [][]end {
	var g errgroup.Group
	g.SetLimit(readers)
	var mu sync.Mutex
	plans := map[string][]end{}
	for _, e := range all {
		g.Go(func() error {
			e.facts, e.err = n.facts(ctx, e.id)
			mu.Lock()
			defer mu.Unlock()
			plans[e.facts.LaunchPlan] = append(plans[e.facts.LaunchPlan], e)
			return nil
		})
	}
	_ = g.Wait() // the errors are in the ends
	var ordered [][]end
	for _, ends := range plans {
		slices.SortFunc(ends, func(a, b end) int { return a.facts.EndedAt.Compare(b.facts.EndedAt) })
		ordered = append(ordered, ends)
	}
	return ordered
}

// refreshAll is refresh for ends, one after the other. One failure does not stop the others.
func (n *NotifierExecutor) refreshAll(ctx context.Context, ends []end) (moved int, err error) {
	var errs []error
	for _, e := range ends {
		if e.err == nil {
			var did int
			did, e.err = n.refreshBy(ctx, e.facts, e.watches)
			moved += did
		}
		errs = append(errs, e.err)
	}
	return moved, errors.Join(errs...)
}
