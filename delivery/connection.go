package delivery

import (
	"sync"
	"time"
)

const (
	// connectionWindow is how many calls of one connection may be under way at once in this process;
	// not counted the first call of each of as many lanes, so that a channel that hangs leaves its connection
	// to others.
	connectionWindow = 128

	// maxPatient is how many deliveries of one connection may wait for a lane's turn or a token. Those
	// that find no room try at once, or come back later.
	maxPatient = 128
)

// connection is what the lanes of one connection share in this process that is handed deliveries.
type connection struct {
	*crowd                // of calls
	firsts  chan struct{} // of those that are the only one of their lane
	patient chan struct{} // those that wait
	total   float64       // its rate, a second

	mu     sync.Mutex
	scarce time.Time // when its own tokens were short last
}

func newConnection(total float64) *connection {
	return &connection{
		crowd:  newCrowd(connectionWindow, total),
		firsts: make(chan struct{}, connectionWindow), patient: make(chan struct{}, maxPatient), total: total,
	}
}

// stay takes room to wait in; leave gives it back. Without ok there is none.
func (c *connection) stay() (leave func(), ok bool) {
	select {
	case c.patient <- struct{}{}:
		return func() { <-c.patient }, true
	default:
		return nil, false
	}
}

// missed notes that there was no token for so long. It was the connection's own if it comes that soon.
func (c *connection) missed(wait time.Duration) {
	if wait > c.least {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scarce = time.Now()
}

// short says whether lanes have to wait for each other now, since they share a rate.
func (c *connection) short() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.least > 0 && time.Since(c.scarce) < standstill
}

// place is for one call of the lane. Without ok there is none now, and again is when to come back.
func (l *line) place(u until, who party) (leave func(), again time.Duration, ok bool) {
	c := l.shared
	if c == nil {
		leave, ok = l.outbox.slots.enter(u.begin, l.Connection)
		return leave, 0, ok
	}
	if leave, ok = l.first(); ok {
		return leave, 0, true
	}
	if again, ok = c.enter(u.begin, who); ok {
		return c.leave, 0, true
	}
	if u.begin.Err() == nil && l.answers() {
		again = l.sends.later() // its first call is over soon, whatever hangs elsewhere
	}
	return nil, again, false
}

// first takes the place that is the lane's own, if no other lanes have all of those.
func (l *line) first() (leave func(), ok bool) {
	select {
	case l.own <- struct{}{}:
	default:
		return nil, false
	}
	select {
	case l.shared.firsts <- struct{}{}:
	default:
		<-l.own
		return nil, false
	}
	return func() {
		l.answered.Store(time.Now().UnixNano())
		l.shared.passed()
		<-l.shared.firsts
		<-l.own
	}, true
}

// answers says whether a call of the lane came to an end just now.
func (l *line) answers() bool {
	return time.Since(time.Unix(0, l.answered.Load())) < standstill
}
