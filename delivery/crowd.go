package delivery

import (
	"context"
	"sync"
	"time"
)

const (
	maxWaiting = 256                    // in one crowd, for a place in it
	standstill = time.Second            // after which nobody waits for a place
	leastLater = 200 * time.Millisecond // between two looks at a delivery that found no place
	mostLater  = 5 * time.Minute
	slowest    = 20 * time.Millisecond // at most so long passes between two that come back
)

// crowd is what is under way for one lane or one connection: so many at once, a few more that wait
// for a place while things move, and the rest is told when to come back. So a service that hangs
// costs little, and one that answers always has somebody waiting.
type crowd struct {
	places chan struct{}

	mu      sync.Mutex
	waiting int
	moved   time.Time     // when one left last, or the first entered
	pace    time.Duration // about as often does one leave
	least   time.Duration // of pace, by the connection's rate
	next    time.Time     // until then somebody comes back already
}

func newCrowd(places int, perSecond float64) *crowd {
	c := &crowd{places: make(chan struct{}, places), pace: slowest}
	if perSecond > 0 {
		c.least = time.Duration(float64(time.Second) / perSecond)
	}
	return c
}

// enter takes a place. Without ok there is none, and again is when to come back.
func (c *crowd) enter(ctx context.Context) (again time.Duration, ok bool) {
	select {
	case c.places <- struct{}{}:
		c.entered()
		return 0, true
	default:
	}
	if !c.wait() {
		return c.later(0), false
	}
	defer c.waited()
	t := time.NewTimer(standstill)
	defer t.Stop()
	select {
	case c.places <- struct{}{}:
		return 0, true
	case <-t.C:
		return c.later(0), false
	case <-ctx.Done():
		return 0, false
	}
}

func (c *crowd) entered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.places) == 1 {
		c.moved = time.Now()
	}
}

// wait says whether waiting for a place is worth it.
func (c *crowd) wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting >= maxWaiting || time.Since(c.moved) > standstill {
		return false
	}
	c.waiting++
	return true
}

func (c *crowd) waited() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
}

// leave gives the place to the next.
func (c *crowd) leave() {
	c.mu.Lock()
	now := time.Now()
	gap := min(max(now.Sub(c.moved), time.Millisecond), slowest)
	c.pace, c.moved = (7*c.pace+gap)/8, now
	c.mu.Unlock()
	<-c.places
}

// later returns when somebody comes back who has to wait so long at least: one after the other, as
// fast as the crowd moves.
func (c *crowd) later(wait time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	at := now.Add(max(wait, leastLater))
	if c.next.After(at) {
		at = c.next
	}
	if limit := now.Add(max(wait, mostLater)); at.After(limit) {
		return limit.Sub(now)
	}
	c.next = at.Add(max(c.pace, c.least))
	return at.Sub(now)
}

// idle says whether the crowd may be forgotten.
func (c *crowd) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.places) == 0 && c.waiting == 0 && time.Now().After(c.next)
}
