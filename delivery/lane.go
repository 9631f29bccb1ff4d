package delivery

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	window   = store.LaneWindow // so many sends of one lane may be under way at once
	lookOnce = time.Minute      // a lane where nothing seems to be new is looked at all the same, after this or twice as long
)

// lane works off one destination of one connection, for a store that has to be asked what is due.
type lane struct {
	*line
	again chan struct{} // something became due
	done  chan string   // ids of deliveries that are no longer under way

	mu     sync.Mutex
	seen   string    // the mark of what it was last told is due
	anyway time.Time // when it is told whatever the mark
}

func newLane(o *Outbox, l store.Lane) *lane {
	return &lane{line: newLine(o, l, 0), again: make(chan struct{}, 1), done: make(chan string, window)}
}

// look tells the worker that something became due, unless it was told of all that is: what waits stays due, and there
// may be thousands of lanes that do. It never blocks.
func (l *lane) look(mark string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if mark != "" && mark == l.seen && now.Before(l.anyway) {
		return
	}
	l.seen, l.anyway = mark, now.Add(lookOnce+rand.N(lookOnce))
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// unseen has the worker told again of what is due.
func (l *lane) unseen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = ""
}

// run works until nothing is due and nothing under way, or until the outbox stops.
func (l *lane) run(u until) {
	busy := map[string]party{}
	for {
		started := l.startDue(u, busy)
		switch {
		case len(busy) > 0:
			l.wait(u.begin, busy)
		case !started && l.outbox.end(l):
			return
		case u.begin.Err() != nil:
			l.outbox.end(l)
			return
		}
	}
}

// wait returns when a delivery is settled, or something became due that there is room for.
func (l *lane) wait(ctx context.Context, busy map[string]party) {
	again := l.again
	if ctx.Err() != nil || len(busy) >= window {
		again = nil
	}
	select {
	case id := <-l.done:
		delete(busy, id)
	case <-again:
	}
}

// startDue starts what is due and not under way, as far as the window has room.
func (l *lane) startDue(u until, busy map[string]party) (started bool) {
	ctx := u.begin
	if ctx.Err() != nil || len(busy) >= window {
		return false
	}
	due, err := l.outbox.Store.Due(ctx, l.Lane, time.Now().UTC(), window)
	if err != nil {
		if ctx.Err() == nil {
			l.outbox.Log.WarnContext(ctx, "lane is held up", "connection", l.Connection, "destination", l.Address, "error", err)
		}
		l.unseen()
		return false // the dispatcher starts it again
	}
	for _, d := range remindFirst(due, busy) {
		if _, known := busy[d.ID]; known || len(busy) >= window {
			continue
		}
		busy[d.ID], started = partyOf(d), true
		l.outbox.busy.Go(func() {
			defer func() { l.done <- d.ID }()
			l.attempt(u, d) // Due says when again
		})
	}
	return started
}

// remindFirst puts the first reminder before what is new, unless one is under way: it is among those that wait for the
// lane's turn, which has a share for it.
func remindFirst(due []store.Delivery, busy map[string]party) []store.Delivery {
	for _, who := range busy {
		if who.reminder {
			return due
		}
	}
	if i := slices.IndexFunc(due, store.Delivery.Reminder); i > 0 {
		first := due[i]
		return slices.Insert(slices.Delete(due, i, i+1), 0, first)
	}
	return due
}
