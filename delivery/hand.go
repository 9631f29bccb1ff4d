package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	patience    = 2 * time.Second  // for the lane's turn, and for a token
	recordTime  = 3 * time.Second  // of a step's time, for recording its outcome
	openMargin  = 5 * time.Second  // how much longer than a step an attempt may be open
	longestSend = 20 * time.Second // for so long a send is given time for sure
	longestStep = 30 * time.Second // a queue gives a step no more

	manyCrowds = 4096 // so many are kept before idle ones are forgotten
)

// hands do what a store.Queue hands out, one step a time, and never wait for long: a job that
// cannot go on comes back later.
type hands struct {
	*Outbox
	until until

	mu          sync.Mutex
	lines       map[store.Lane]*line
	connections map[string]*connection
}

// work sends what the queue hands out until ctx ends.
func (o *Outbox) work(ctx context.Context, u until) error {
	h := &hands{Outbox: o, until: u, lines: map[store.Lane]*line{}, connections: map[string]*connection{}}
	if err := o.queue.Work(ctx, o.named(), stopGrace, h.take); err != nil {
		return fmt.Errorf("work on deliveries: %w", err)
	}
	return nil
}

// take does the next step of a delivery, see store.Queue.
func (h *hands) take(ctx context.Context, d store.Delivery) (again time.Duration) {
	if again, ok := h.closed(ctx, d); !ok {
		return again
	}
	l, who := h.line(d), partyOf(d)
	if left := h.holds.left(l.Lane); left > 0 {
		return l.later(left, who)
	}
	if again, ok := l.enter(h.until.begin, who); !ok {
		return again
	}
	defer l.leave()
	u, cancel := h.bounds(ctx)
	defer cancel()
	return l.attempt(u, d)
}

// closed makes sure that no attempt of the delivery is open. An attempt that may still be under
// way at another server is left alone. After one that was interrupted the delivery is handed out anew, as the
// store has it then.
func (h *hands) closed(ctx context.Context, d store.Delivery) (again time.Duration, ok bool) {
	if d.OpenedAt.IsZero() {
		return 0, true
	}
	now := time.Now().UTC()
	if left := d.OpenedAt.Add(longestStep + openMargin).Sub(now); left > 0 {
		return left, false
	}
	err := h.queue.Interrupt(ctx, d.ID, d.OpenedAt, now)
	switch {
	case err == nil:
		h.Log.InfoContext(ctx, "an attempt was interrupted; its outcome is unknown", "delivery", d.ID)
	case !errors.Is(err, store.ErrConflict) && ctx.Err() == nil:
		h.Log.WarnContext(ctx, "interrupted attempt cannot be recorded yet", "delivery", d.ID, "error", err)
	}
	if err != nil {
		return settleEvery, false
	}
	return 0, false
}

// bounds are those of one step, which ctx gives its time.
func (h *hands) bounds(ctx context.Context) (u until, cancel context.CancelFunc) {
	u = h.until
	u.call, u.patience, cancel = ctx, patience, func() {}
	if end, ok := ctx.Deadline(); ok {
		u.sendBy = end.Add(-recordTime - min(h.policy().Timeout, longestSend))
		u.call, cancel = context.WithDeadline(ctx, end.Add(-recordTime))
	}
	return u, cancel
}

// line returns the line that the delivery belongs to: a new one where the connection has other rates than
// before.
func (h *hands) line(d store.Delivery) *line {
	var rate notifier.Rate
	if found, err := h.terms.Load().connections.Find(d.Kind, d.Connection); err == nil { // else it is dead soon
		rate = found.Rate
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.connections[d.Connection]
	if c == nil || c.total != rate.TotalPerSecond {
		c = newConnection(rate.TotalPerSecond)
		h.connections[d.Connection] = c
	}
	lane := store.Lane{Connection: d.Connection, Address: d.Address}
	if l := h.lines[lane]; l != nil && l.shared == c && l.perSecond == rate.PerSecond {
		return l
	}
	h.forget()
	l := newLine(h.Outbox, lane, rate.PerSecond)
	l.shared = c
	h.lines[lane] = l
	return l
}

// forget drops lines that nobody stands in. One that somebody is about to enter may be among them:
// then the lane has a second line for once, and a few more are under way.
func (h *hands) forget() {
	if len(h.lines) < manyCrowds {
		return
	}
	for lane, l := range h.lines {
		if l.idle() {
			delete(h.lines, lane)
		}
	}
}
