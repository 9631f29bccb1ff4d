package delivery

import (
	"context"
	"sync"
	"time"
)

const (
	maxWaiting = 512                    // in one crowd, for a place in it
	standstill = time.Second            // after which nobody waits for a place
	leastLater = 200 * time.Millisecond // between two looks at a delivery that found no place
	mostLater  = 5 * time.Minute
	fastest    = 250 * time.Microsecond // between two that come back, until it is known to be too often
	slowest    = 5 * time.Millisecond   // between two that come back, while nothing moves
	measure    = 250 * time.Millisecond // how long leaving is counted for the pace
)

// crowd is what is under way for one lane or one connection: so many at once, a few more that wait
// for a place while things move, and the rest is told when to come back. So a service that hangs
// costs little, and one that answers always has somebody waiting.
type crowd struct {
	places chan struct{}

	mu      sync.Mutex
	waiting int
	moved   time.Time     // when one left last, or the first entered
	since   time.Time     // when counting began
	left    int           // how many left since then
	roomy   bool          // half of the places were free at a time since then
	pace    time.Duration // as often may one come back
	least   time.Duration // of pace, by the connection's rate
	next    time.Time     // until then somebody comes back already
}

func newCrowd(places int, perSecond float64) *crowd {
	c := &crowd{places: make(chan struct{}, places), pace: fastest}
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
	c.roomy = c.roomy || len(c.places) <= cap(c.places)/2
}

// wait says whether waiting for a place is worth it.
func (c *crowd) wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting >= maxWaiting || time.Duration(c.waiting+1)*max(c.pace, c.least) > standstill || time.Since(c.moved) > standstill {
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
	c.moved = time.Now()
	c.count(c.moved)
	c.mu.Unlock()
	<-c.places
}

// passed counts one more that leaves, but one that had no place here.
func (c *crowd) passed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roomy = c.roomy || len(c.places) <= cap(c.places)/2
	c.count(time.Now())
}

// count counts one that leaves.
func (c *crowd) count(now time.Time) {
	c.left++
	if now.Sub(c.since) > measure {
		c.adapt(now)
	}
}

// adapt measures the pace, if the crowd was never short of those that come back; else more of them
// shall.
func (c *crowd) adapt(now time.Time) {
	if c.roomy {
		c.pace = max(c.pace/2, fastest)
		if ahead := c.next.Sub(now); ahead > 0 && c.least == 0 {
			c.next = now.Add(ahead / 2)
		}
	} else {
		c.pace = min(max(now.Sub(c.since)/time.Duration(c.left)*2/3, fastest), slowest, 2*c.pace)
	}
	c.since, c.left, c.roomy = now, 0, false
}

// later returns when somebody comes back who has to wait so long at least: one after the other, a
// little faster than the crowd moves, so that it never runs dry.
func (c *crowd) later(wait time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	pace := c.pace
	if now.Sub(c.moved) > 3*standstill {
		pace = slowest
	}
	return inLine(&c.next, now, wait, mostLater, max(pace, c.least))
}

// inLine returns when one more comes back who has to wait so long at least: a pace after the one before, which
// next remembers, and not later than most unless it has to wait longer.
func inLine(next *time.Time, now time.Time, wait, most, pace time.Duration) time.Duration {
	at := now.Add(max(wait, leastLater))
	if next.After(at) {
		at = *next
	}
	if limit := now.Add(max(wait, most)); at.After(limit) {
		return limit.Sub(now)
	}
	*next = at.Add(pace)
	return at.Sub(now)
}

// idle says whether the crowd may be forgotten.
func (c *crowd) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.places) == 0 && c.waiting == 0 && time.Now().After(c.next)
}
