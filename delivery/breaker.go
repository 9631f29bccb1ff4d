package delivery

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	failuresToOpen = 5           // in a row
	firstProbe     = time.Second // after it opened
	mostProbe      = time.Minute // between two probes
	severalLanes   = 3           // that fail: then it is the service, whatever the lane
	manyLanes      = 1024        // so many that failed are kept before old ones are forgotten
	oldFailure     = time.Hour
)

// breaker is what this process knows of the health of one service. After some failures in a row it is
// open: nothing is sent to it but a probe now and then, until one is answered. One channel that hangs opens nothing
// for the others: lanes that have not failed may try, until so many have failed that it is the service.
type breaker struct {
	mu      sync.Mutex
	total   circuit
	lanes   map[string]*circuit // those whose last call failed, by address
	changed chan struct{}       // closed when somebody who waits shall look again
}

// circuit counts the failures in a row of a service, or of one lane.
type circuit struct {
	failures int
	since    time.Time     // of the first of them
	last     time.Time     // of the last of them
	wait     time.Duration // between probes
	next     time.Time     // of the next probe
	probing  bool
	why      string
}

func (c *circuit) open() bool { return c.failures >= failuresToOpen }

// fail counts one more. Only what was let through as a probe makes the next one wait longer: others had begun
// before it opened.
func (c *circuit) fail(now time.Time, why string, probe bool) {
	if c.failures++; c.failures == 1 {
		c.since = now
	}
	c.last, c.why = now, why
	switch {
	case c.failures == failuresToOpen:
		c.wait = firstProbe
	case c.open() && probe:
		c.wait = min(2*c.wait, mostProbe)
	default:
		return
	}
	c.next = now.Add(c.wait/2 + rand.N(c.wait/2)) // servers and connections shall not all probe at once
}

// pass is what a step got from the breaker that it goes by. nil: none.
type pass struct {
	*breaker
	address string
	tell    func()   // that it opened or closed
	probe   *circuit // for which this is the probe; nil: it was closed
}

func newBreaker() *breaker {
	return &breaker{lanes: map[string]*circuit{}, changed: make(chan struct{})}
}

// gate is the circuit that holds up a lane, if one does.
func (b *breaker) gate(address string) *circuit {
	lane := b.lanes[address]
	switch {
	case b.total.open() && (lane != nil || len(b.lanes) >= severalLanes):
		return &b.total
	case lane != nil && lane.open():
		return lane
	}
	return nil
}

// enter lets a step of a lane through, if the service answers or the step shall be its probe. Without a pass it may
// try again after wait, or once the channel is closed, and why says how the service fails. A lane that is held for
// some time has no time for a probe.
func (b *breaker) enter(address string, held time.Duration) (p *pass, wait time.Duration, changed <-chan struct{}, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gate := b.gate(address)
	if gate == nil {
		return &pass{breaker: b, address: address}, 0, nil, ""
	}
	if wait = max(time.Until(gate.next), held); wait > 0 || gate.probing {
		return nil, max(wait, firstProbe), b.changed, gate.why
	}
	gate.probing = true
	return &pass{breaker: b, address: address, probe: gate}, 0, nil, ""
}

// revoked says whether the breaker opened meanwhile, so that the step must not call the service any more.
func (p *pass) revoked() bool {
	if p == nil || p.probe != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate(p.address) != nil
}

// leave ends the step. A probe that asked the service nothing leaves that to the next one.
func (p *pass) leave() {
	if p == nil || p.probe == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probe.probing = false
	p.wake()
}

func (b *breaker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// failed notes that the service failed.
func (p *pass) failed(why string) {
	p.mu.Lock()
	now, was := time.Now(), p.total.open()
	lane := p.lanes[p.address]
	if lane == nil {
		p.forget(now)
		lane = &circuit{}
		p.lanes[p.address] = lane
	}
	lane.fail(now, why, p.probe == lane)
	p.total.fail(now, why, p.probe == &p.total)
	opened := !was && p.total.open()
	p.mu.Unlock()
	if opened {
		p.tell()
	}
}

// answered notes that the service answered, whatever. One that comes back does so for all of its lanes; while some
// lanes fail alone, the success of another means nothing for them.
func (p *pass) answered() {
	p.mu.Lock()
	total, lane := p.total, p.lanes[p.address]
	if total.failures > 0 {
		p.total = circuit{probing: total.probing}
	}
	if lane != nil || p.probe == &p.total {
		delete(p.lanes, p.address)
		if total.open() {
			clear(p.lanes)
		}
	}
	if total.open() || lane != nil {
		p.wake()
	}
	p.mu.Unlock()
	if total.open() {
		p.tell()
	}
}

// forget drops lanes that nobody tried for long.
func (b *breaker) forget(now time.Time) {
	if len(b.lanes) < manyLanes {
		return
	}
	for address, lane := range b.lanes {
		if now.Sub(lane.last) > oldFailure && !lane.probing {
			delete(b.lanes, address)
		}
	}
}

// state is the circuit of the whole service, now.
func (b *breaker) state() circuit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}

// healthy says whether there is nothing to remember.
func (b *breaker) healthy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total.failures == 0 && !b.total.probing && len(b.lanes) == 0
}
