package executor

import (
	"context"
	"math/rand/v2"
	"time"
)

// Resubscribe is Subscribe while the executor runs: it is done as soon as the store takes it.
func (n *NotifierExecutor) Resubscribe(r Rules) {
	n.wanted.Store(&r)
	select {
	case n.rewanted <- struct{}{}:
	default: // it is on its way already
	}
}

// resubscribes sees to what Resubscribe wants, and now and then says again what was taken up.
func (n *NotifierExecutor) resubscribes(ctx context.Context) error {
	for {
		if err := n.wants(ctx); err != nil {
			return err
		}
		if n.wanted.Load() == nil {
			continue // it has no subscriptions
		}
		for err := n.subscribe(ctx); err != nil; err = n.subscribe(ctx) {
			n.log.WarnContext(ctx, "subscriptions are not taken up yet", "error", err)
			if err := sleep(ctx, n.cfg.Feed.Interval); err != nil {
				return err
			}
		}
	}
}

// wants waits until subscriptions are to be taken up, or said again. The error is the context's.
func (n *NotifierExecutor) wants(ctx context.Context) error {
	timer := time.NewTimer(saysAgain - rand.N(saysAgain/8))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.rewanted:
	case <-timer.C:
	}
	return nil
}
