package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// settle records an outcome, and returns how long the delivery waits for its next try. The outcome
// must not be lost, so it goes on until the store takes it or ctx ends; then the attempt stays
// open, and whoever finds it so takes it for unknown.
func (o *Outbox) settle(ctx context.Context, d store.Delivery, out store.Outcome) (again time.Duration) {
	for {
		err := o.Store.Settle(ctx, d.ID, out)
		switch {
		case err == nil:
			o.metrics.settled(d.Kind, out.State)
			o.tellSettled(ctx, d, out)
			if out.State.Settled() {
				return 0
			}
			return out.NextAt.Sub(out.At)
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
			o.Log.WarnContext(ctx, "outcome came too late: the delivery was settled or tried again meanwhile", "delivery", d.ID, "state", out.State)
			return 0
		case ctx.Err() != nil:
			return settleEvery
		}
		o.Log.WarnContext(ctx, "outcome cannot be recorded yet", "delivery", d.ID, "state", out.State, "error", err)
		pause(ctx, settleEvery, nil)
		if out.State == store.Dead {
			out.At = time.Now().UTC() // whoever tells of deaths looks back by seconds
		}
	}
}

// tellSettled tells what became of a delivery, and shows one that nobody will get unless it is redriven, or something else
// is sent instead.
func (o *Outbox) tellSettled(ctx context.Context, d store.Delivery, out store.Outcome) {
	if out.State.Settled() && o.Settled != nil {
		d.State, d.LastError, d.SettledAt = out.State, out.LastError, out.At
		o.Settled(d)
	}
	if out.State == store.Dead {
		o.Log.WarnContext(ctx, "delivery is dead", "delivery", d.ID, "execution", d.Execution.String(),
			"notifier", d.Kind, "destination", d.Address, "error", out.LastError)
	}
}

func (o *Outbox) delivered(d store.Delivery, r notifier.Receipt) store.Outcome {
	o.strikes.clear(d.ID)
	now := time.Now().UTC()
	text := fmt.Sprintf("%s: %s delivered to %s%s", d.ID, d.Kind, d.Address, receiptText(r))
	if d.Double {
		text += ", possibly twice: an earlier attempt's outcome could not be looked up"
	}
	return store.Outcome{
		Attempt: attemptOf(d), State: store.Delivered, Double: d.Double, RenderError: d.RenderError, LastError: d.LastError,
		Receipt: r, At: now, Event: store.Event{At: now, Kind: "delivered", Text: text},
	}
}

// attemptOf is the attempt that an outcome is of: the one that was begun in this step, if any.
func attemptOf(d store.Delivery) int {
	if d.OpenedAt.IsZero() {
		return 0
	}
	return d.Attempts
}

func receiptText(r notifier.Receipt) string {
	var b strings.Builder
	for _, k := range sortedKeys(r) {
		fmt.Fprintf(&b, " %s=%s", k, r[k])
	}
	if b.Len() == 0 {
		return ""
	}
	return " (" + b.String()[1:] + ")"
}
