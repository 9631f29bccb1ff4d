package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	bundlesAtOnce = 100
	bundlePage    = 200 // deliveries of a bundle that are in memory at once
)

// releases sends what is due, and forgets what nobody needs any more. It returns when to do so again.
func (n *NotifierExecutor) releases(ctx context.Context) (next time.Time, err error) {
	now := time.Now().UTC()
	next = now.Add(dueEvery)
	held, err := n.release(ctx)
	if held.After(now) {
		next = earliest(next, held)
	}
	return next, errors.Join(err, n.forgets(ctx, now))
}

// release sends what was held until now, one message for each bundle, and returns when the next is due. The bundles go on
// in turns, so that a large one keeps no other waiting. One that fails, or that another server is at, is left for later.
func (n *NotifierExecutor) release(ctx context.Context) (next time.Time, err error) {
	var errs []error
	left := map[string]bool{}
	for {
		now := time.Now().UTC()
		if next, err = n.store.NextBundle(ctx); err != nil {
			return next, errors.Join(append(errs, fmt.Errorf("find what is held: %w", err))...)
		}
		if next.IsZero() || next.After(now) {
			return next, errors.Join(errs...)
		}
		due, err := n.store.Bundles(ctx, now, bundlesAtOnce+len(left))
		if err != nil {
			return next, errors.Join(append(errs, fmt.Errorf("find what is held: %w", err))...)
		}
		idle := true
		for _, bundle := range due {
			if left[bundle] {
				continue
			}
			did, err := n.releasePage(ctx, bundle, now)
			if err != nil {
				errs = append(errs, fmt.Errorf("release bundle %s: %w", bundle, err))
			}
			if !did {
				left[bundle] = true
			}
			idle = idle && !did
		}
		if idle {
			return next, errors.Join(errs...)
		}
	}
}

// releasePage makes one message of a bundle: the first delivery becomes it, all others are told in it. Of two
// servers that do so at once one wins. A large bundle is made smaller by a page instead. did says whether it was either.
func (n *NotifierExecutor) releasePage(ctx context.Context, bundle string, now time.Time) (did bool, err error) {
	for limit := bundlePage; ; limit *= 2 {
		held, err := n.store.Held(ctx, bundle, limit)
		if err != nil {
			return false, err
		}
		more := len(held) == limit
		due, c := n.dueOfBundle(ctx, held, now)
		switch {
		case !more && len(due) > 0:
			err = tellAll(&c, due)
		case more && len(due) > 2:
			err = fold(&c, due)
		case more && len(c.Released) == 0:
			continue // those of the bundle's next time are in the way
		}
		if err != nil || len(c.Released) == 0 {
			return false, err
		}
		if err := n.store.Write(ctx, c); err != nil {
			return false, settled(err)
		}
		n.delivered(nil)
		return true, nil
	}
}

// dueOfBundle are those of a bundle to be told now. The change releases those that a silence holds back: the outbox
// does so by itself, and no digest tells of them.
func (n *NotifierExecutor) dueOfBundle(ctx context.Context, held []store.Delivery, now time.Time) (due []store.Delivery, c store.Change) {
	c.At = now
	for _, d := range held {
		switch {
		case d.HeldUntil.After(now): // of the bundle's next time
		case d.WatchID != d.Bundle && n.silenced(ctx, d):
			c.Released = append(c.Released, store.Release{ID: d.ID})
		default:
			due = append(due, d)
		}
	}
	return due, c
}

// tellAll makes the first delivery the message of all.
func tellAll(c *store.Change, due []store.Delivery) (err error) {
	release := store.Release{ID: due[0].ID}
	if len(due) > 1 {
		if release.Content, err = digest(due); err != nil {
			return err
		}
		c.Why = toldIn(due[0])
	}
	for _, d := range due[1:] {
		c.Superseded = append(c.Superseded, d.ID)
	}
	c.Released = append(c.Released, release)
	return nil
}

// fold puts a delivery that is of no watch, and held as they are, in the place of all but the first. To release one of
// them as well makes the change fail if another server folded it meanwhile; that one is not sent, though its timeline says
// until when it was held.
func fold(c *store.Change, due []store.Delivery) (err error) {
	some := due[1:]
	d := some[0]
	d.Key = d.Bundle + "|" + d.Key
	d.ID, d.WatchID = store.DeliveryID(d.Key), d.Bundle
	d.Execution = flyte.ExecutionID{Scope: d.Execution.Scope}
	d.CreatedAt, d.Since = c.At, c.At
	if d.Content, err = digest(some); err != nil {
		return err
	}
	c.Deliveries, c.Why = []store.Delivery{d}, toldIn(d)
	c.Released = append(c.Released, store.Release{ID: some[0].ID})
	for _, d := range some {
		c.Superseded = append(c.Superseded, d.ID)
	}
	return nil
}

// What stands around the id in why a delivery is superseded that another tells of.
const (
	toldInPrefix = "told in "
	toldInSuffix = ", with others"
)

func toldIn(d store.Delivery) string { return toldInPrefix + d.ID + toldInSuffix }

// digest is the content of the message that stands for these deliveries. One that cannot be read is counted.
func digest(held []store.Delivery) (json.RawMessage, error) {
	contents := make([]render.Content, 0, len(held))
	for _, d := range held {
		c, err := render.Unmarshal(d.Content)
		if err != nil {
			c = render.Content{Data: render.Data{
				Project: d.Execution.Project, Domain: d.Execution.Domain, Name: d.Execution.Name, Rule: d.Rule, Reason: d.Reason, At: d.CreatedAt,
			}}
		}
		contents = append(contents, c)
	}
	raw, err := render.NewDigest(contents).Marshal()
	if err != nil {
		return nil, fmt.Errorf("store digest: %w", err)
	}
	return raw, nil
}
