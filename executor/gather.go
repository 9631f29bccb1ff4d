package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// gather adds to an execution's facts what rules need of its inside. What has ended waits for nothing and
// has no limit any more; its nodes still tell how they ended.
func (n *NotifierExecutor) gather(ctx context.Context, f *Facts, need needs) (err error) {
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	id := f.Execution.ID
	if need.gates && !f.ended() {
		if f.Gates, err = n.admin.Gates(ctx, id); err != nil {
			return fmt.Errorf("find what %s waits for: %w", id, err)
		}
	}
	if need.running && !f.ended() {
		if f.Running, err = n.limits(ctx, f.Execution, need.before); err != nil {
			return fmt.Errorf("find the running nodes of %s: %w", id, err)
		}
	}
	if need.above {
		if f.Above, err = n.above(ctx, *f); err != nil {
			return fmt.Errorf("read what contains %s: %w", id, err)
		}
	}
	for _, name := range need.nodes {
		node, err := n.admin.Node(ctx, id, name)
		if errors.Is(err, flyte.ErrNotFound) {
			continue // it has not started
		}
		if err != nil {
			return fmt.Errorf("read node %s of %s: %w", name, id, err)
		}
		if f.Nodes == nil {
			f.Nodes = make(map[string]flyte.Node, len(need.nodes))
		}
		f.Nodes[name] = node
	}
	return nil
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
// asked for: its limit counts from there.
func (n *NotifierExecutor) limits(ctx context.Context, x flyte.Execution, before time.Duration) ([]flyte.Node, error) {
	nodes, err := n.admin.RunningNodes(ctx, x)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for i, node := range nodes {
		if node.Timeout <= 0 || node.StartedAt.IsZero() || now.Before(node.StartedAt.Add(node.Timeout-before)) {
			continue
		}
		if nodes[i], err = n.admin.Attempt(ctx, x.ID, node); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}
