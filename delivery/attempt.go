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

// attempt brings one delivery one step further: looked up, sent, or put off. ctx ends when the
// outbox stops and nothing more may begin; sendCtx lasts a little longer.
func (l *lane) attempt(ctx, sendCtx context.Context, d store.Delivery) {
	o := l.outbox
	p, err := o.prepare(sendCtx, d)
	if err != nil {
		o.settle(sendCtx, d, o.failed(d, err))
		return
	}
	d.RenderError = p.renderError
	if !d.UnknownAt.IsZero() {
		settled, err := o.look(sendCtx, &d, p)
		if settled {
			return
		}
		if err != nil {
			o.settle(sendCtx, d, o.failed(d, err))
			return
		}
	}
	if o.exhausted(d) {
		o.settle(sendCtx, d, o.failed(d, notifier.Retry.Errorf("no attempt is left: %s", d.LastError)))
		return
	}
	started, ok := l.begin(ctx, d, p)
	if !ok {
		return // stopping, or somebody else changed it
	}
	d.Attempts, d.OpenedAt = d.Attempts+1, started
	receipt, err := o.send(sendCtx, p)
	o.metrics.attempt(d.Kind, err, time.Since(started))
	if err != nil {
		l.heed(sendCtx, err)
		o.settle(sendCtx, d, o.failed(d, err))
		return
	}
	o.settle(sendCtx, d, o.delivered(d, receipt))
}

// begin commits the start of an attempt, one delivery of the lane after the other, and waits
// for the rate's token and for what the service asked for.
func (l *lane) begin(ctx context.Context, d store.Delivery, p prepared) (time.Time, bool) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		wait := l.outbox.holds.left(l.Lane)
		now := time.Now().UTC()
		if wait <= 0 {
			var err error
			wait, err = l.outbox.Store.Begin(ctx, d.ID, d.Attempts, now, p.rates)
			switch {
			case errors.Is(err, store.ErrConflict):
				return now, false
			case err != nil:
				l.outbox.Log.WarnContext(ctx, "attempt cannot begin", "delivery", d.ID, "error", err)
				wait = settleEvery
			case wait <= 0:
				return now, true
			}
		}
		pause(ctx, wait)
	}
	return time.Time{}, false
}

// heed does for the whole lane what an error asks for: leave the service alone for a while, or
// forget an exact name that it does not take any more.
func (l *lane) heed(ctx context.Context, err error) {
	verdict, after := notifier.VerdictOf(err)
	if after > 0 {
		l.outbox.holds.add(l.Lane, min(after, maxRetryTime))
	}
	if verdict == notifier.Permanent {
		if err := l.outbox.Store.SetResolved(ctx, l.Lane, nil); err != nil {
			l.outbox.Log.WarnContext(ctx, "name cache cannot be written", "destination", l.Address, "error", err)
		}
	}
}

// send calls the notifier, and makes a panic in it an unknown outcome.
func (o *Outbox) send(ctx context.Context, p prepared) (r notifier.Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Config.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = notifier.Unknown.Errorf("notifier %s panicked: %v", p.connection.Kind, v)
		}
	}()
	return p.connection.Notifier.Send(ctx, p.destination, p.message)
}

// look asks the service whether an attempt with an unknown outcome arrived. settled: it did, and
// that is recorded. Without an error the message may be sent again.
func (o *Outbox) look(ctx context.Context, d *store.Delivery, p prepared) (settled bool, err error) {
	looker, ok := p.connection.Notifier.(notifier.Looker)
	if !ok {
		d.Double = true
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.Config.Timeout)
	defer cancel()
	receipt, found, err := looker.Look(ctx, p.destination, d.ID, d.UnknownAt)
	switch {
	case errors.Is(err, notifier.ErrLookImpossible):
		d.Double = true
		return false, nil
	case err != nil:
		return false, notifier.Retry.Errorf("look up an unknown outcome: %w", err)
	case found:
		o.settle(context.WithoutCancel(ctx), *d, o.delivered(*d, receipt))
		return true, nil
	}
	return false, nil
}

// settle records an outcome. It must not be lost, so it goes on until the store takes it or ctx
// ends; then the attempt stays open, and the next start finds it unknown.
func (o *Outbox) settle(ctx context.Context, d store.Delivery, out store.Outcome) {
	for {
		err := o.Store.Settle(ctx, d.ID, out)
		if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			o.metrics.settled(d.Kind, out.State)
			return
		}
		if ctx.Err() != nil {
			return
		}
		o.Log.WarnContext(ctx, "outcome cannot be recorded yet", "delivery", d.ID, "state", out.State, "error", err)
		pause(ctx, settleEvery)
	}
}

func (o *Outbox) delivered(d store.Delivery, r notifier.Receipt) store.Outcome {
	now := time.Now().UTC()
	text := fmt.Sprintf("%s: %s delivered to %s%s", d.ID, d.Kind, d.Address, receiptText(r))
	if d.Double {
		text += ", possibly twice: an earlier attempt's outcome could not be looked up"
	}
	return store.Outcome{
		State: store.Delivered, Double: d.Double, RenderError: d.RenderError, LastError: d.LastError,
		Receipt: r, At: now, Event: store.Event{At: now, Kind: "delivered", Text: text},
	}
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

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
