package executor

import (
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// occasion is an occurrence with all that its deliveries are made from.
type occasion struct {
	watch   store.Watch
	set     ruleset
	occur   Occurrence
	message render.Template
	data    render.Data
}

// deliveries makes one delivery for each step of the occurrence.
func (n *NotifierExecutor) deliveries(o occasion, now time.Time) ([]store.Delivery, error) {
	return n.deliveriesTo(o, o.set.steps(o.occur), now)
}

// deliveriesTo makes one delivery for each step. A destination that is no place without what its templates failed to give
// cannot be guessed: its delivery is dead from the start, where everybody sees it.
func (n *NotifierExecutor) deliveriesTo(o occasion, steps []step, now time.Time) ([]store.Delivery, error) {
	whole, err := render.Content{Template: o.message, Data: o.data}.Marshal()
	if err != nil {
		return nil, fmt.Errorf("store facts: %w", err)
	}
	var all []store.Delivery
	for _, step := range steps {
		key := o.set.keyOf(o.watch, o.occur, step)
		d := store.Delivery{
			ID: store.DeliveryID(key), Key: key, WatchID: o.watch.ID, Execution: o.watch.Execution,
			Rule: o.occur.Rule, Reason: o.occur.Reason,
			Kind: step.Kind, Connection: step.Connection, Content: whole,
			State: store.Pending, NextAt: now, CreatedAt: now,
		}
		to, err := spec.Addressed(n.registry, d.Kind, step.Destination, o.data)
		d.Destination, d.Address = to.Raw, to.Address
		if err != nil {
			d.State, d.LastError, d.SettledAt = store.Dead, err.Error(), now
		}
		if len(to.LeftOut) > 0 {
			content := render.Content{Template: o.message, Data: o.data, LeftOut: to.LeftOut}
			if d.Content, err = content.Marshal(); err != nil {
				return nil, fmt.Errorf("store facts: %w", err)
			}
		}
		all = append(all, d)
	}
	return all, nil
}
