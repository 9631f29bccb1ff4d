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
	p, ok := l.ready(ctx, sendCtx, &d)
	if !ok {
		return
	}
	started, leave, ok := l.begin(ctx, d, p)
	if !ok {
		return // stopping, or somebody else changed it
	}
	defer leave()
	d.Attempts, d.OpenedAt = d.Attempts+1, started
	receipt, err := o.send(sendCtx, p)
	o.metrics.attempt(d.Kind, err, time.Since(started))
	if err != nil {
		l.fail(sendCtx, d, o.stale(sendCtx, l.Lane, p, err))
		return
	}
	o.settle(sendCtx, d, o.delivered(d, receipt))
}

// ready prepares a delivery, and looks up what became of an earlier attempt. It is not ok when
// the delivery came to something already, or when the outbox stops.
func (l *lane) ready(ctx, sendCtx context.Context, d *store.Delivery) (p prepared, ok bool) {
	o := l.outbox
	leave, ok := l.enter(ctx) // one at a time, so that a name is resolved once
	if !ok {
		return p, false
	}
	p, err := o.prepare(sendCtx, *d)
	leave()
	if err != nil {
		l.fail(sendCtx, *d, err)
		return p, false
	}
	d.RenderError = p.renderError
	if !d.UnknownAt.IsZero() {
		settled, err := o.look(sendCtx, d, p)
		if err != nil {
			l.fail(sendCtx, *d, err)
		}
		if settled || err != nil {
			return p, false
		}
	}
	if o.exhausted(*d) {
		l.fail(sendCtx, *d, notifier.Retry.Errorf("no attempt is left: %s", d.LastError))
		return p, false
	}
	return p, true
}

// fail records an error, and does for the whole lane what it asks for.
func (l *lane) fail(ctx context.Context, d store.Delivery, err error) {
	if _, after := notifier.VerdictOf(err); after > 0 {
		l.outbox.holds.add(l.Lane, min(after, maxRetryTime))
	}
	l.outbox.settle(ctx, d, l.outbox.failed(d, err))
}

// stale forgets an exact name from the cache that the service does not know any more, and makes
// the error one to try again: a channel may have been replaced by another of its name.
func (o *Outbox) stale(ctx context.Context, l store.Lane, p prepared, err error) error {
	if !p.cached || !errors.Is(err, notifier.ErrDestinationGone) {
		return err
	}
	if err := o.Store.SetResolved(ctx, l, nil); err != nil {
		o.Log.WarnContext(ctx, "name cache cannot be written", "destination", l.Address, "error", err)
	}
	return notifier.RetryAfter(0, err)
}

// enter waits for the lane's turn, and until the service may be called again. leave gives the
// turn to the next; without ok the outbox stops.
func (l *lane) enter(ctx context.Context) (leave func(), ok bool) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	for left := l.outbox.holds.left(l.Lane); left > 0 && ctx.Err() == nil; left = l.outbox.holds.left(l.Lane) {
		pause(ctx, left)
	}
	leave = func() { <-l.turn }
	if ctx.Err() != nil {
		leave()
		return nil, false
	}
	return leave, true
}

// begin commits the start of an attempt, one delivery of the lane after the other, and waits for
// the rate's token. leave gives back the attempt's slot.
func (l *lane) begin(ctx context.Context, d store.Delivery, p prepared) (started time.Time, leave func(), ok bool) {
	next, ok := l.enter(ctx)
	if !ok {
		return started, nil, false
	}
	defer next()
	for misses := 0; ; misses++ {
		if leave, ok = l.outbox.slots.enter(ctx, d.Connection); !ok {
			return started, nil, false
		}
		started = time.Now().UTC()
		wait, err := l.outbox.Store.Begin(ctx, d.ID, d.Attempts, started, p.rates)
		if err == nil && wait <= 0 {
			return started, leave, true
		}
		leave()
		switch {
		case errors.Is(err, store.ErrConflict), ctx.Err() != nil:
			return started, nil, false
		case err != nil:
			l.outbox.Log.WarnContext(ctx, "attempt cannot begin", "delivery", d.ID, "error", err)
			wait = settleEvery
		}
		// Lanes that share a connection's rate wait longer each time another was faster, so that
		// a thousand of them do not all ask for every token.
		pause(ctx, max(wait, min(time.Duration(misses)*100*time.Millisecond, maxMiss)))
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
		switch {
		case err == nil:
			o.metrics.settled(d.Kind, out.State)
			o.tellDead(ctx, d, out)
			return
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
			o.Log.WarnContext(ctx, "outcome came too late: the delivery was settled meanwhile", "delivery", d.ID, "state", out.State)
			return
		case ctx.Err() != nil:
			return
		}
		o.Log.WarnContext(ctx, "outcome cannot be recorded yet", "delivery", d.ID, "state", out.State, "error", err)
		pause(ctx, settleEvery)
	}
}

// tellDead shows a message that nobody will get unless it is redriven.
func (o *Outbox) tellDead(ctx context.Context, d store.Delivery, out store.Outcome) {
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
