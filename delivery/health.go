package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	lookAgain    = 5 * time.Second // at a delivery that waits for a service to answer: it may be silenced meanwhile
	manyServices = 1024            // so many are kept before healthy ones are forgotten
)

// service is one that this process sends to: a connection's, or the host that destinations name where the connection
// leaves that to them.
type service struct{ connection, host string }

// health is what this process knows of services that fail. Each server finds out by itself: one may be cut off from a
// service that others reach.
type health struct {
	outbox *Outbox

	mu    sync.Mutex
	all   map[service]*breaker
	swept time.Time

	telling sync.Mutex // so that metrics are set in the order of what they tell
	open    map[service]outage
}

// outage is a service that fails, as it was when that was told.
type outage struct {
	circuit
	expiry *time.Timer // when it is looked whether anybody uses the service still
}

func (h *health) breaker(s service) *breaker {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.all[s]; b != nil {
		return b
	}
	if h.all == nil {
		h.all = map[service]*breaker{}
	}
	if now := time.Now(); len(h.all) >= manyServices && now.Sub(h.swept) > sweepEvery {
		h.swept = now
		for s, b := range h.all {
			if b.healthy() || b.left() <= 0 && !b.failing() { // what is open goes with its metric, see expire
				delete(h.all, s)
			}
		}
	}
	b := newBreaker()
	h.all[s] = b
	return b
}

// reset forgets all: what is wrong may have been mended by another config.
func (h *health) reset(c *notifier.Connections) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.mu.Lock()
	clear(h.all)
	h.mu.Unlock()
	for _, o := range h.open {
		o.expiry.Stop()
	}
	clear(h.open)
	h.outbox.metrics.open.Reset()
	for _, c := range c.All() {
		h.outbox.metrics.open.WithLabelValues(c.Name).Set(0)
	}
}

// tell shows that a service fails, or answers again: once each.
func (h *health) tell(s service, b *breaker) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.mu.Lock()
	current := h.all[s] == b
	h.mu.Unlock()
	now := b.state()
	c, told := h.open[s]
	if !current || told == now.open() {
		return // of before a reload, or told already
	}
	log := h.log(s)
	if now.open() {
		if h.open == nil {
			h.open = map[service]outage{}
		}
		h.open[s] = outage{now, time.AfterFunc(unused, func() { h.expire(s, b) })}
		log.Warn("service fails: its deliveries wait, and it is probed", "failures", now.failures, "error", now.why)
	} else {
		c.expiry.Stop()
		delete(h.open, s)
		log.Info("service answers again", "after", time.Since(c.since).Round(time.Millisecond))
	}
	h.outbox.metrics.open.WithLabelValues(s.connection).Set(h.openOf(s.connection))
}

// expire forgets a service that fails and that nobody sends to any more: nobody would ever find out that it answers.
func (h *health) expire(s service, b *breaker) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	o, told := h.open[s]
	if !told || h.all[s] != b {
		return // it answers again, or is of before a reload
	}
	if left := b.left(); left > 0 {
		o.expiry.Reset(left)
		return
	}
	delete(h.all, s)
	delete(h.open, s)
	h.log(s).Info("service failed, and nobody sends to it any more: it is not probed", "since", o.since.UTC(), "error", o.why)
	h.outbox.metrics.open.WithLabelValues(s.connection).Set(h.openOf(s.connection))
}

func (h *health) log(s service) *slog.Logger {
	log := h.outbox.Log.With("connection", s.connection)
	if s.host != "" {
		log = log.With("host", s.host)
	}
	return log
}

// openOf is 1 if a service of the connection fails.
func (h *health) openOf(connection string) float64 {
	for s := range h.open {
		if s.connection == connection {
			return 1
		}
	}
	return 0
}

// Failing returns a line for each service that fails, whatever it is sent, so that deliveries wait: for people, by
// name. It is what this process knows.
func (o *Outbox) Failing() (lines []string) {
	o.health.telling.Lock()
	defer o.health.telling.Unlock()
	for s, c := range o.health.open {
		name := s.connection
		if s.host != "" {
			name += " (" + s.host + ")"
		}
		lines = append(lines, fmt.Sprintf("%s: fails since %s, its deliveries wait: %s", name, c.since.UTC().Format(time.RFC3339), c.why))
	}
	slices.Sort(lines)
	return lines
}

// serviceOf is the one that a prepared delivery goes to.
func serviceOf(p prepared) service {
	s := service{connection: p.connection.Name}
	if hosted, ok := p.destination.(notifier.Hosted); ok {
		s.host = hosted.Host()
	}
	return s
}

// admit waits until the service answers, or until this step shall find out whether it does. Without ok the delivery
// comes back later, or is settled; the error is that it has become too old meanwhile.
func (l *line) admit(u until, d store.Delivery, p *prepared) (again time.Duration, ok bool, err error) {
	s := serviceOf(*p)
	b := l.outbox.health.breaker(s)
	for {
		got, wait, changed, why := b.enter(l.Address, d.ID, l.outbox.holds.left(l.Lane))
		if got != nil {
			got.tell = func() { l.outbox.health.tell(s, b) }
			p.pass = got
			return 0, true, nil
		}
		left := time.Until(d.Since.Add(l.outbox.policy().MaxAge))
		if left < 0 {
			return 0, false, notifier.Retry.Errorf("the service fails, and was not tried: %s", why)
		}
		wait = min(wait, left+time.Millisecond)
		if l.shared != nil {
			return l.later(wait, partyOf(d)), false, nil
		}
		if !p.terms.rest(u.begin, min(wait, lookAgain), changed) {
			return 0, false, nil
		}
		if d.UnknownAt.IsZero() {
			if again, done := l.silenced(u, d); done {
				return again, false, nil
			}
		}
	}
}

// rest waits for d, or until something changed. It returns false if ctx ends, or other terms hold.
func (t *terms) rest(ctx context.Context, d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.over:
		return false
	case <-changed:
	case <-timer.C:
	}
	return true
}

// heard notes what a send says of the service's health. Refusals and 429s are answers, where the service was called at
// all: else even a probe has found out nothing, and the next delivery is the probe.
func (p prepared) heard(err error, called bool) {
	if p.questioned(err); p.pass != nil && !mute(err) && !unwell(err) && (err == nil || called) {
		p.pass.answered()
	}
}

// questioned notes what a question before a send says of it: only what is bad, for a service may well answer questions
// and take no message.
func (p prepared) questioned(err error) {
	if p.pass != nil && !mute(err) && unwell(err) {
		_, pause := verdictOf(err)
		p.pass.failed(err.Error(), pause)
	}
}

// mute says whether an error says nothing of the service.
func mute(err error) bool {
	_, panicked := errors.AsType[*panicError](err)
	return panicked || errors.Is(err, notifier.ErrForbiddenAddress) || errors.Is(err, context.Canceled)
}

// unwell says whether the service failed, rather than answered.
func unwell(err error) bool {
	if err == nil || errors.Is(err, notifier.ErrLookImpossible) {
		return false
	}
	verdict, _ := notifier.VerdictOf(err)
	return notifier.IsUnavailable(err) || verdict == notifier.Unknown
}

// panicError is a notifier's panic, which says nothing of its service.
type panicError struct {
	kind  string
	value any
}

func (e *panicError) Error() string { return fmt.Sprintf("notifier %s panicked: %v", e.kind, e.value) }
