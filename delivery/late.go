package delivery

import (
	"math/rand/v2"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	// lookAfter is how long after a call without an answer the service is asked whether the message arrived: it may
	// carry out what it has after the caller has gone. The first retry comes within 5 s all the same.
	lookAfter = 4 * time.Second

	// sureAfter is how long after an attempt a service that does not have the message has lost it for sure. What is sent
	// again sooner may come twice.
	sureAfter = 30 * time.Second
)

// looks says whether the service is asked whether the delivery arrived, when that is unknown.
func (o *Outbox) looks(d store.Delivery) bool {
	c, err := o.terms.Load().connections.Find(d.Kind, d.Connection)
	if err != nil {
		return false // it was removed: the delivery is dead soon
	}
	_, ok := c.Notifier.(notifier.Looker)
	return ok
}

// untilLook is how long after an unknown outcome its delivery is tried again, that would be after wait.
func (o *Outbox) untilLook(d store.Delivery, wait time.Duration) time.Duration {
	if wait >= lookAfter || !o.looks(d) {
		return wait
	}
	return lookAfter + rand.N(lookAfter/8)
}

// cooled waits with a look at what a process that was killed may have sent just before this one began. It returns false
// if the outbox stops, or other terms hold, before.
func (l *line) cooled(u until, d store.Delivery, p prepared) bool {
	left := time.Until(l.outbox.recovered.Add(lookAfter))
	if d.UnknownAt.IsZero() || left <= 0 || d.UnknownAt.After(l.outbox.recovered) {
		return true
	}
	if _, ok := p.connection.Notifier.(notifier.Looker); !ok {
		return true
	}
	return l.pause(u.begin, left, p.terms)
}

// unsure says whether a message that the service does not have may still arrive. Of several attempts nobody knows when the
// latest was, but that it was before the delivery was due.
func (o *Outbox) unsure(d store.Delivery) bool {
	latest := d.UnknownAt.Add(o.policy().Timeout)
	if d.Attempts > 1 && d.NextAt.After(latest) {
		latest = d.NextAt
	}
	return time.Since(latest) < sureAfter
}
