package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// attempt brings one delivery one step further: looked up, sent, or put off. It returns how long the
// delivery waits for its next step, if there is one.
func (l *line) attempt(u until, d store.Delivery) (again time.Duration) {
	o := l.outbox
	if d.UnknownAt.IsZero() { // else it may have arrived: that is looked up first
		if d.Over != "" {
			return o.settle(u.record, d, o.superseded(d, d.Over))
		}
		if again, done := l.silenced(u, d); done {
			return again
		}
	}
	p, again, ok := l.ready(u, &d)
	defer p.pass.leave()
	if !ok {
		return again
	}
	started, leave, again, ok := l.begin(u, d, p)
	if !ok {
		return again // stopping, out of time, silenced, or somebody else changed it
	}
	defer leave()
	d.Attempts, d.OpenedAt = d.Attempts+1, started
	message, err := compose(&d)
	if err != nil {
		return l.fail(u, d, err)
	}
	if d.RenderError != "" {
		o.metrics.templateFailures.WithLabelValues(d.Kind).Inc()
	}
	if err := o.claim(u.call, d, &p); err != nil {
		return l.apart(u, d, err)
	}
	d.Double = d.Double || p.twice
	call, end := o.traced(u.call, d)
	var service called
	receipt, err := o.send(service.during(call), d, p, message)
	end(err)
	p.heard(err, service.done.Load())
	l.sends.sent()
	o.metrics.attempt(d.Kind, err, time.Since(started))
	if err != nil {
		return l.fail(u, d, l.stale(u.record, p, err))
	}
	o.keep(u.record, d, p, receipt)
	return o.settle(u.record, d, o.delivered(d, receipt))
}

// ready prepares a delivery, and looks up what became of an earlier attempt. It is not ok when
// the delivery came to something already, or when it is put off.
func (l *line) ready(u until, d *store.Delivery) (p prepared, again time.Duration, ok bool) {
	o, who := l.outbox, partyOf(*d)
	p, err := o.prepare(*d)
	if err == nil && !l.cooled(u, *d, p) {
		return p, l.putOff(u, 0, who), false
	}
	if err == nil {
		if again, ok, err = l.admit(u, *d, &p); !ok && err == nil {
			return p, again, false
		}
	}
	if err == nil && l.calls(p, *d) {
		next, wait, ok := l.inTurn(u, who, p.terms) // one at a time, so that a name is resolved once
		if !ok {
			return p, l.putOff(u, wait, who), false
		}
		leave, again, ok := l.place(u, who)
		if !ok {
			next()
			return p, again, false
		}
		defer leave()
		if p.pass.revoked() {
			next()
			return p, l.putOff(u, 0, who), false
		}
		err = l.resolve(u, &p)
		l.heed(err) // before the next one asks
		next()
	} else if err == nil {
		err = l.resolve(u, &p)
	}
	if err != nil {
		return p, l.fail(u, *d, err), false
	}
	if err := o.join(u.call, *d, &p); err != nil {
		return p, l.apart(u, *d, err), false
	}
	if !d.UnknownAt.IsZero() {
		again, settled, err := o.look(u, d, &p)
		if err != nil {
			again = l.fail(u, *d, err)
		}
		if settled || err != nil {
			return p, again, false
		}
	}
	if d.Over != "" {
		return p, o.settle(u.record, *d, o.superseded(*d, d.Over)), false
	}
	if p.part.stale != nil {
		return p, l.apart(u, *d, p.part.stale), false
	}
	if again, settled := l.seenTo(u, *d, p); settled {
		return p, again, false
	}
	if o.exhausted(*d) {
		return p, l.fail(u, *d, notifier.Retry.Errorf("no attempt is left: %s", d.LastError)), false
	}
	return p, 0, true
}

// calls says whether the service is asked something before a send, perhaps.
func (l *line) calls(p prepared, d store.Delivery) bool {
	_, resolver := p.connection.Notifier.(notifier.Resolver)
	_, known := l.known.get()
	return resolver && !known || !d.UnknownAt.IsZero() || l.outbox.asks(p, d)
}

// fail records an error, and does for the whole lane what it asks for.
func (l *line) fail(u until, d store.Delivery, err error) (again time.Duration) {
	out := l.outbox.failed(d, err)
	if !out.Hold.IsZero() {
		l.outbox.metrics.holds.WithLabelValues(d.Kind).Inc()
		l.heed(err)
	}
	if d.Over != "" && out.State == store.Dead { // nobody can tell whether it arrived, and nobody need send it
		hold := out.Hold
		out = l.outbox.superseded(d, d.Over)
		out.Hold = hold
	}
	return l.outbox.settle(u.record, d, out)
}

// heed leaves the service alone for as long as an error of its asks for.
func (l *line) heed(err error) {
	if _, after := verdictOf(err); after > 0 {
		l.outbox.holds.add(l.Lane, after)
	}
}

// stale forgets an exact name from the cache that the service does not know any more, and makes
// the error one to try again: a channel may have been replaced by another of its name.
func (l *line) stale(ctx context.Context, p prepared, err error) error {
	if !p.cached || !errors.Is(err, notifier.ErrDestinationGone) {
		return err
	}
	l.known.forget()
	if err := l.outbox.Store.SetResolved(ctx, l.Lane, nil); err != nil {
		l.outbox.Log.WarnContext(ctx, "name cache cannot be written", "destination", l.Address, "error", err)
	}
	return notifier.RetryAfter(0, err)
}

// begin commits the start of an attempt. Where there is a rate it does so for one delivery of the
// lane after the other, and waits for the token. leave gives back the attempt's slot; without ok
// the delivery is put off for again.
func (l *line) begin(u until, d store.Delivery, p prepared) (started time.Time, leave func(), again time.Duration, ok bool) {
	who := partyOf(d)
	if len(p.rates) > 0 {
		next, wait, ok := l.inTurn(u, who, p.terms)
		if !ok {
			return started, nil, l.putOff(u, wait, who), false
		}
		defer next()
	}
	ctx, cancel := u.waiting()
	defer cancel()
	if again, ok = l.rest(ctx, p.terms); !ok {
		return started, nil, l.putOff(u, again, who), false
	}
	total := l.draw(d, p)
	defer total.leave()
	for misses := 0; !u.over() && total.take(ctx, who); misses++ {
		if leave, again, ok = l.place(u, who); !ok {
			return started, nil, again, false
		}
		if p.terms.replaced() || p.pass.revoked() {
			leave()
			return started, nil, l.putOff(u, 0, who), false
		}
		if again, done := l.silenced(u, d); done {
			leave()
			return started, nil, again, false
		}
		started = time.Now().UTC()
		again, err := l.outbox.Store.Begin(u.call, d.ID, d.Attempts, started, p.rates)
		if err == nil && again <= 0 {
			total.done()
			return started, leave, 0, true
		}
		leave()
		switch {
		case errors.Is(err, store.ErrConflict):
			return started, nil, 0, false
		case err != nil:
			l.outbox.Log.WarnContext(ctx, "attempt cannot begin", "delivery", d.ID, "error", err)
			again = settleEvery
		default:
			l.outbox.metrics.limited.WithLabelValues(d.Kind).Inc()
			l.missed(again)
			total.missed(again)
		}
		if l.shared != nil {
			// Lanes that share a connection's rate wait longer each time another was faster, so that
			// a thousand of them do not all ask for every token.
			again = max(again, min(time.Duration(misses)*100*time.Millisecond, maxMiss))
		}
		if !l.pause(ctx, again, p.terms) {
			if p.terms.replaced() {
				again = 0 // it may be another rate now
			}
			return started, nil, l.putOff(u, again, who), false
		}
	}
	return started, nil, l.putOff(u, 0, who), false
}

// send calls the notifier, and makes a panic in it an unknown outcome.
func (o *Outbox) send(ctx context.Context, d store.Delivery, p prepared, m notifier.Message) (r notifier.Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.policy().Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = notifier.Unknown.Errorf("%w", &panicError{p.connection.Kind, v})
		}
	}()
	return o.deliver(ctx, d, p, m)
}

// comesTwice says whether people may get the message twice if it is sent again, now that nobody knows whether it
// arrived: not if it is an edit, or if the service tells copies by their key.
func (o *Outbox) comesTwice(p *prepared) bool {
	edit := p.part.threading == notifier.Edits && p.part.root != nil
	manifest, _ := o.Registry.Find(p.connection.Kind)
	return !edit && !p.connection.Idempotent(manifest)
}

// look asks the service whether an attempt with an unknown outcome arrived. settled: it did, and
// that is recorded, or is to be again later. Without an error the message may be sent again, unless it is over.
func (o *Outbox) look(u until, d *store.Delivery, p *prepared) (again time.Duration, settled bool, err error) {
	looker, ok := p.connection.Notifier.(notifier.Looker)
	if !ok {
		p.twice = o.comesTwice(p)
		return 0, false, nil
	}
	ctx, cancel := u.early(o.policy().Timeout)
	defer cancel()
	receipt, found, err := looker.Look(ctx, p.destination, d.ID, d.UnknownAt)
	p.questioned(err)
	switch {
	case errors.Is(err, notifier.ErrLookImpossible):
		p.twice = o.comesTwice(p)
		return 0, false, nil
	case err != nil:
		return 0, false, notifier.Retry.Errorf("look up an unknown outcome: %w", err)
	case found:
		_, _ = compose(d) // what arrived may be the default message; what cannot be composed never did
		return o.settle(u.record, *d, o.delivered(*d, receipt)), true, nil
	}
	p.twice = o.unsure(*d) && o.comesTwice(p)
	return 0, false, nil
}
