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

	// sharers is how many parties may each come back as often as the rate allows one to. Were they to share it, a lane
	// would idle whose other parties have nothing left; were they many, most would come in vain.
	sharers = 4
)

// crowd is what is under way for one lane or one connection: so many at once, a few more that wait
// for a place while things move, and the rest is told when to come back. So a service that hangs
// costs little, and one that answers always has somebody waiting.
type crowd struct {
	places *places

	mu    sync.Mutex
	moved time.Time           // when one left last, or the first entered
	since time.Time           // when counting began
	left  int                 // how many left since then
	roomy bool                // half of the places were free at a time since then
	pace  time.Duration       // as often may one come back
	least time.Duration       // of pace, by the connection's rate
	next  map[party]time.Time // until then somebody of the party comes back already
}

func newCrowd(most int, perSecond float64) *crowd {
	c := &crowd{places: newPlaces(most), pace: fastest, next: map[party]time.Time{}}
	if perSecond > 0 {
		c.least = time.Duration(float64(time.Second) / perSecond)
	}
	return c
}

// enter takes a place. Without ok there is none, and again is when to come back.
func (c *crowd) enter(ctx context.Context, who party) (again time.Duration, ok bool) {
	if c.places.try(who) {
		c.entered()
		return 0, true
	}
	patient, cancel := context.WithTimeout(ctx, standstill)
	defer cancel()
	switch {
	case c.places.wait(patient, who, c.room):
		return 0, true
	case ctx.Err() != nil:
		return 0, false
	}
	return c.later(0, who), false
}

func (c *crowd) entered() {
	busy := c.places.busy()
	c.mu.Lock()
	defer c.mu.Unlock()
	if busy == 1 {
		c.moved = time.Now()
	}
	c.roomy = c.roomy || busy <= c.places.most/2
}

// room says whether waiting for a place is worth it. One of each party may wait as long as things move, so that no
// other takes all of the room.
func (c *crowd) room(own, all int) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	full := all >= maxWaiting || time.Duration(all+1)*max(c.pace, c.least) > standstill
	return func() {}, (!full || own == 0) && time.Since(c.moved) <= standstill
}

// leave gives the place to the next.
func (c *crowd) leave() {
	c.mu.Lock()
	c.moved = time.Now()
	c.count(c.moved)
	c.mu.Unlock()
	c.places.leave()
}

// passed counts one more that leaves, but one that had no place here.
func (c *crowd) passed() {
	busy := c.places.busy()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roomy = c.roomy || busy <= c.places.most/2
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
		for who, next := range c.next {
			if ahead := next.Sub(now); ahead > 0 && c.least == 0 {
				c.next[who] = now.Add(ahead / 2)
			}
		}
	} else {
		c.pace = min(max(now.Sub(c.since)/time.Duration(c.left)*2/3, fastest), slowest, 2*c.pace)
	}
	c.since, c.left, c.roomy = now, 0, false
}

// later returns when somebody comes back who has to wait so long at least: those of a party one after the other, all
// of them together a little faster than the crowd moves, so that it never runs dry. A party is behind its own only.
func (c *crowd) later(wait time.Duration, who party) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	pace := c.pace
	if now.Sub(c.moved) > 3*standstill {
		pace = slowest
	}
	parties := c.parties(who, now)
	next := c.next[who]
	again := inLine(&next, now, wait, mostLater, max(pace*parties, c.least*max(parties/sharers, 1)))
	c.next[who] = next
	return again
}

// parties counts those that come back, this one among them: of reminders, or of what is new. It forgets others.
func (c *crowd) parties(who party, now time.Time) time.Duration {
	n := time.Duration(1)
	for other, next := range c.next {
		switch {
		case other == who:
		case !next.After(now):
			delete(c.next, other)
		case other.reminder == who.reminder:
			n++
		}
	}
	return n
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
	if c.places.busy() > 0 { // else nobody waits for one
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, next := range c.next {
		if next.After(now) {
			return false
		}
	}
	return true
}
