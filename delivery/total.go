package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// totals are the turns for tokens of connections' own rates (total_per_second), where the deliveries are not handed
// out: one lane at a time asks the store, else whoever came last would be as likely to get the token as whoever waits
// longest.
type totals struct {
	mu sync.Mutex
	of map[string]*places // by connection
}

func (t *totals) places(connection string) *places {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.of[connection]
	if p == nil {
		if t.of == nil {
			t.of = map[string]*places{}
		}
		p = newPlaces(1)
		t.of[connection] = p
	}
	return p
}

// draw is a lane's part in the turns for its connection's tokens. nil: there are none.
type draw struct {
	line   *line
	places *places
	since  time.Time     // those that wait longer go first
	every  time.Duration // between two tokens
	turn   bool          // it is the lane's
}

// draw joins the lane, of which only this one delivery does: it has the lane's turn.
func (l *line) draw(d store.Delivery, p prepared) *draw {
	total := p.connection.Rate.TotalPerSecond
	if l.shared != nil || total <= 0 {
		return nil
	}
	return &draw{
		line: l, places: l.outbox.totals.places(l.Connection), every: time.Duration(float64(time.Second) / total),
		since: latest(d.Since, l.drawn), // a lane that just had a token is behind those that wait since before that
	}
}

// take waits for the turn, unless it is the lane's already. It returns false if ctx ends before.
func (d *draw) take(ctx context.Context, who party) bool {
	if d == nil || d.turn {
		return ctx.Err() == nil
	}
	d.turn = d.places.await(ctx, who, waiter{since: d.since}, func(int, int) (func(), bool) { return func() {}, true })
	return d.turn
}

// missed gives the turn to another lane, if what misses for so long is not the connection's token, but the lane's own.
func (d *draw) missed(wait time.Duration) {
	if d != nil && wait > d.every {
		d.leave()
	}
}

// done notes that the lane got a token.
func (d *draw) done() {
	if d != nil {
		d.line.drawn = time.Now()
	}
}

// leave gives the turn to the next, if it is the lane's.
func (d *draw) leave() {
	if d != nil && d.turn {
		d.turn = false
		d.places.leave()
	}
}
