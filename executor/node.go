package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// notStarted is the phase of a watched node that flyteadmin does not know yet.
const notStarted = "UNDEFINED"

// nodes looks at every watched node of the shards that are held once, at this server's part of
// Config.NodeCalls a second at most.
func (n *NotifierExecutor) nodes(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(readers)
	var errs []error
	for after := ""; ; {
		watches, err := n.store.Nodes(ctx, after, namesPerCall)
		if err != nil {
			errs = append(errs, fmt.Errorf("find watched nodes: %w", err))
		}
		if len(watches) == 0 {
			break
		}
		after = watches[len(watches)-1].ID
		held := n.holding.Load()
		for _, w := range watches {
			if !held.has(w.Execution) {
				continue
			}
			if err := n.nodeCalls.Wait(ctx); err != nil {
				break
			}
			g.Go(func() error { return n.lookNode(ctx, w) })
		}
	}
	return errors.Join(append(errs, g.Wait())...)
}

// lookNode records the node's phase when it has changed.
func (n *NotifierExecutor) lookNode(ctx context.Context, w store.Watch) error {
	node, err := n.node(ctx, w)
	if err != nil || node.Phase == w.Phase {
		return err
	}
	x, err := n.facts(ctx, w.Execution)
	if err != nil {
		return err
	}
	_, err = n.moveNodeTo(ctx, w, x, node, time.Now().UTC())
	if errors.Is(err, store.ErrConflict) {
		return nil // somebody else moved it; the next look sees to the rest
	}
	return err
}

func (n *NotifierExecutor) node(ctx context.Context, w store.Watch) (flyte.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	node, err := n.admin.Node(ctx, w.Execution, w.Node)
	if errors.Is(err, flyte.ErrNotFound) {
		return flyte.Node{ID: w.Node, Phase: notStarted}, nil
	}
	if err != nil {
		return node, err
	}
	return node, nil
}

// moveNode is what an execution's row means to a watch of one of its nodes: its first look, or
// the end of the execution, after which the node changes no more.
func (n *NotifierExecutor) moveNode(ctx context.Context, w store.Watch, x flyte.Execution, now time.Time) (bool, error) {
	if w.State != store.Active || (w.Phase != "" && !flyte.Terminal(x.Phase)) {
		return false, nil
	}
	node, err := n.node(ctx, w)
	if err != nil {
		return false, err
	}
	return n.moveNodeTo(ctx, w, x, node, now)
}

func (n *NotifierExecutor) moveNodeTo(ctx context.Context, w store.Watch, x flyte.Execution, node flyte.Node, now time.Time) (bool, error) {
	ended := flyte.NodeTerminal(node.Phase) || flyte.Terminal(x.Phase)
	if node.Phase == w.Phase && !ended {
		return false, nil
	}
	return n.judge(ctx, w, Facts{Execution: x, Node: &node}, ended, now)
}
