package delivery

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// line is what the deliveries of one lane share in this process.
type line struct {
	store.Lane
	*crowd
	outbox    *Outbox
	perSecond float64   // its rate; 0 where it need not be known
	turn      *places   // one, of the one that resolves a name, or waits for the rate's token
	drawn     time.Time // when it got a token of its connection's rate last, see draw
	known     known

	shared   *connection   // nil: the deliveries are not handed out, and all may wait
	own      chan struct{} // held by the lane's first call
	answered atomic.Int64  // when a first call came to an end last, in ns
	dry      atomic.Int64  // until then there is no token, in ns
	sends    tempo
}

func newLine(o *Outbox, l store.Lane, perSecond float64) *line {
	return &line{
		Lane: l, crowd: newCrowd(window, perSecond), outbox: o, perSecond: perSecond,
		turn: newPlaces(1), own: make(chan struct{}, 1),
	}
}

// putOff is what a step returns that found no time: when to come back, or at once, to another
// server, if this one stops. A long wait is looked at now and then: the rate may be another by then, or the
// connection gone.
func (l *line) putOff(u until, wait time.Duration, who party) time.Duration {
	if u.begin.Err() != nil {
		return 0
	}
	wait = min(wait, mostLater)
	if l.shared != nil && l.shared.short() {
		return l.shared.later(wait, who)
	}
	return l.later(wait, who)
}

// until bounds a step of a delivery.
type until struct {
	begin    context.Context // nothing more begins after it: the outbox stops
	call     context.Context // calls to services are cut off
	record   context.Context // outcomes can be recorded no longer
	sendBy   time.Time       // a send that has not begun by then begins no more; zero: no limit
	patience time.Duration   // how long to wait for something before the step is put off; zero: no limit
}

// waiting bounds a wait, and what is done under the turn that it was for.
func (u until) waiting() (context.Context, context.CancelFunc) {
	if u.patience == 0 {
		return context.WithCancel(u.begin)
	}
	return context.WithTimeout(u.begin, u.patience)
}

// early bounds a call that comes before a send, and has to leave time for it.
func (u until) early(timeout time.Duration) (context.Context, context.CancelFunc) {
	if !u.sendBy.IsZero() {
		timeout = min(timeout, time.Until(u.sendBy))
	}
	return context.WithTimeout(u.call, timeout)
}

// over says whether no send may begin any more.
func (u until) over() bool {
	return u.begin.Err() != nil || !u.sendBy.IsZero() && !time.Now().Before(u.sendBy)
}

// inTurn waits for the party's turn in the lane, and until the service may be called again. leave gives the
// turn to the next; without ok it was not to be had in time, and wait is how long it takes at least, or other
// terms hold by then.
func (l *line) inTurn(u until, who party, t *terms) (leave func(), wait time.Duration, ok bool) {
	ctx, cancel := u.waiting()
	defer cancel()
	if !l.turn.wait(ctx, who, l.standing) {
		return nil, 0, false
	}
	if wait, ok = l.rest(ctx, t); !ok || t.replaced() {
		l.turn.leave()
		return nil, wait, false
	}
	return l.turn.leave, 0, true
}

// standing is the room to wait for the turn in. While there is no token, no more wait than get one soon; but one of each
// party always, so that no token is left over, and all get their turn.
func (l *line) standing(own, all int) (leave func(), ok bool) {
	dry := time.Now().UnixNano() < l.dry.Load()
	if l.shared != nil && dry && own > 0 && time.Duration(all+1)*l.least > standstill {
		return nil, false
	}
	return l.stay()
}

// stay takes room to wait in; leave gives it back. Without ok there is none.
func (l *line) stay() (leave func(), ok bool) {
	if l.shared == nil {
		return func() {}, true
	}
	return l.shared.stay()
}

// missed notes that there is no token for so long.
func (l *line) missed(wait time.Duration) {
	if l.shared != nil {
		l.dry.Store(time.Now().Add(wait).UnixNano())
		l.shared.missed(wait)
	}
}

// rest waits until the service may be called again. Without ok that takes too long, at least wait, or other
// terms hold by then.
func (l *line) rest(ctx context.Context, t *terms) (wait time.Duration, ok bool) {
	for {
		wait = l.outbox.holds.left(l.Lane)
		switch {
		case ctx.Err() != nil:
			return max(wait, 0), false
		case wait <= 0:
			return 0, true
		case !l.pause(ctx, wait, t):
			return wait, false
		}
	}
}

// pause waits for d, if there is room to wait in. It returns false if not, or if ctx or the terms end before.
func (l *line) pause(ctx context.Context, d time.Duration, terms *terms) bool {
	leave, ok := l.stay()
	if !ok {
		return false
	}
	defer leave()
	return pause(ctx, d, terms.over)
}

// pause waits for d. It returns false if ctx ends before, at once if that is sure, or if it is over.
func pause(ctx context.Context, d time.Duration, over <-chan struct{}) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-over:
		return false
	case <-t.C:
		return true
	}
}
