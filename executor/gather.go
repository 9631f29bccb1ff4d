package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// gather adds to an execution's facts what rules need of its inside. What has ended waits for nothing and
// has no limit any more; its nodes still tell how they ended. The reads do not wait for each other, and one that
// fails keeps none of the others from being known: the facts then say what they lack.
func (n *NotifierExecutor) gather(ctx context.Context, f *Facts, need needs) error {
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	was, id := *f, f.Execution.ID // what is read of the facts while others are added
	var reads sync.WaitGroup
	var gates, running, above, nodes error
	if need.gates && !was.ended() {
		reads.Go(func() {
			if f.Gates, gates = n.admin.Gates(ctx, id); gates != nil {
				f.lacks.gates, gates = true, fmt.Errorf("find what %s waits for: %w", id, gates)
			}
		})
	}
	if need.running && !was.ended() {
		reads.Go(func() {
			if f.Running, f.more, running = n.limits(ctx, was.Execution, need.before); running != nil {
				f.lacks.running, running = true, fmt.Errorf("find the running nodes of %s: %w", id, running)
			}
		})
	}
	if need.above && was.Node == nil {
		reads.Go(func() {
			if f.Above, above = n.above(ctx, was); above != nil {
				f.lacks.above, above = true, fmt.Errorf("read what contains %s: %w", id, above)
			}
		})
	}
	if len(need.nodes) > 0 {
		reads.Go(func() { nodes = n.nodesOf(ctx, f, need.nodes) })
	}
	reads.Wait()
	return errors.Join(gates, running, above, nodes)
}

// gatherSoon is gather, which waits for sendFacts only where others wait for the news: what takes longer is left to a later look.
func (n *NotifierExecutor) gatherSoon(ctx context.Context, f *Facts, need needs, news bool) error {
	if news {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, sendFacts)
		defer cancel()
	}
	return n.gather(ctx, f, need)
}

// nodesOf adds nodes to the facts, as far as they have started.
func (n *NotifierExecutor) nodesOf(ctx context.Context, f *Facts, names []string) error {
	var errs []error
	for _, name := range names {
		node, err := n.admin.Node(ctx, f.Execution.ID, name)
		switch {
		case errors.Is(err, flyte.ErrNotFound):
		case err != nil:
			f.lacks.nodes = append(f.lacks.nodes, name)
			errs = append(errs, fmt.Errorf("read node %s of %s: %w", name, f.Execution.ID, err))
		case f.Nodes == nil:
			f.Nodes = map[string]flyte.Node{name: node}
		default:
			f.Nodes[name] = node
		}
	}
	return errors.Join(errs...)
}

// above is the phase of what contains what has failed: who has not failed needs no call.
func (n *NotifierExecutor) above(ctx context.Context, f Facts) (string, error) {
	if f.Execution.Parent.Name == "" || !spec.Failing(f.Execution.Phase) {
		return "", nil
	}
	parent, err := n.admin.Execution(ctx, f.Execution.Parent)
	if errors.Is(err, flyte.ErrNotFound) {
		return "", nil
	}
	return parent.Phase, err
}

// limits are the running nodes. Once the first attempt of one would be told of, which attempt is running is
// asked for: its limit counts from there. more is how many calls it took beside the first; those of a list that fails
// halfway are not known.
func (n *NotifierExecutor) limits(ctx context.Context, x flyte.Execution, before time.Duration) (nodes []flyte.Node, more int, err error) {
	if nodes, err = n.admin.RunningNodes(ctx, x); err != nil {
		return nil, 0, err
	}
	now := time.Now()
	for _, node := range nodes {
		if node.Parent {
			more++ // what is below it was listed
		}
	}
	for i, node := range nodes {
		if node.Timeout <= 0 || node.StartedAt.IsZero() || now.Before(node.StartedAt.Add(node.Timeout-before)) {
			continue
		}
		more++
		if nodes[i], err = n.admin.Attempt(ctx, x.ID, node); err != nil {
			return nil, more, err
		}
	}
	return nodes, more, nil
}
