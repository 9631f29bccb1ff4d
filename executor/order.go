package executor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// end is an execution that a row says has ended, with the watches that this is news to.
type end struct {
	id      flyte.ExecutionID
	watches []store.Watch
	plan    string
	at      time.Time
}

// ofSeries says whether a row may be the end of an execution that a launch plan's history hears of.
func ofSeries(all []store.Watch, row flyte.Row) bool {
	return flyte.Terminal(row.Phase) && slices.ContainsFunc(all, isSubscribed)
}

// inOrder returns ends by launch plan, those of each in the order in which they happened: what was over long
// before it was seen, as after an outage, is told as it was.
func (n *NotifierExecutor) inOrder(ctx context.Context, all []end) [][]end {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return [][]end{all}
	}
	var g errgroup.Group
	g.SetLimit(readers)
	var mu sync.Mutex
	plans := map[string][]end{}
	for _, e := range all {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, factsTimeout)
			defer cancel()
			// Without an answer it comes first, and fails again where the error is shown.
			if x, err := n.admin.Execution(ctx, e.id); err == nil {
				e.plan, e.at = x.LaunchPlan, x.EndedAt
			}
			mu.Lock()
			defer mu.Unlock()
			plans[e.plan] = append(plans[e.plan], e)
			return nil
		})
	}
	_ = g.Wait() // there are no errors
	var ordered [][]end
	for _, ends := range plans {
		slices.SortFunc(ends, func(a, b end) int { return a.at.Compare(b.at) })
		ordered = append(ordered, ends)
	}
	return ordered
}

// refreshAll is refresh for ends, one after the other. One failure does not stop the others.
func (n *NotifierExecutor) refreshAll(ctx context.Context, ends []end) (moved int, err error) {
	var errs []error
	for _, e := range ends {
		did, err := n.refresh(ctx, e.id, e.watches)
		moved += did
		errs = append(errs, err)
	}
	return moved, errors.Join(errs...)
}
