package delivery

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	failuresToOpen  = 5           // in a row
	firstProbe      = time.Second // after it opened
	mostProbe       = time.Minute // between two probes
	severalLanes    = 3           // that fail: then it is the service, whatever the lane
	severalMessages = 3           // that fail: then it is none of theirs
	sweepEvery      = time.Minute // what nobody uses any more is looked for

	// unused is how long a circuit that nobody failed at or waited for is kept: longer than it takes what failed, or
	// was a probe, to come back (mostLater, maxBackoff).
	unused = 10 * time.Minute
)

// breaker is what this process knows of the health of one service. After some failures in a row it is
// open: nothing is sent to it but a probe now and then, until one is answered. One channel that hangs opens nothing
// for the others: lanes that have not failed may try, until so many have failed that it is the service. And one message
// that always fails opens nothing for the next.
type breaker struct {
	mu      sync.Mutex
	used    time.Time // when anybody asked or failed last, or later if the service wants a pause
	swept   time.Time
	total   circuit
	lanes   map[string]*circuit // those whose last call failed, by address
	changed chan struct{}       // closed when somebody who waits shall look again
}

// circuit counts the failures in a row of a service, or of one lane.
type circuit struct {
	failures int
	since    time.Time     // of the first of them
	by       []string      // the deliveries that failed, severalMessages at most
	used     time.Time     // as a breaker's
	wait     time.Duration // between probes
	next     time.Time     // of the next probe
	probing  bool
	why      string
}

func (c *circuit) open() bool { return c.failures >= failuresToOpen }

// suspects says whether it may be the fault of what failed so far, so that another delivery need not wait.
func (c *circuit) suspects(id string) bool {
	return len(c.by) < severalMessages && !slices.Contains(c.by, id)
}

// fail counts one more. Only what was let through as a probe makes the next one wait longer: others had begun
// before it opened.
func (c *circuit) fail(f failure, now time.Time, probe bool) {
	if c.failures++; c.failures == 1 {
		c.since = now
	}
	if c.suspects(f.id) {
		c.by = append(c.by, f.id)
	}
	c.used, c.why = now.Add(f.pause), f.why
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

// failure is one call that failed.
type failure struct {
	id    string // the delivery
	why   string
	pause time.Duration // that the service asked for
}

// pass is what a step got from the breaker that it goes by. nil: none.
type pass struct {
	*breaker
	address string
	id      string   // the delivery
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
func (b *breaker) enter(address, id string, held time.Duration) (p *pass, wait time.Duration, changed <-chan struct{}, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.use(address)
	gate := b.gate(address)
	if gate == nil {
		return &pass{breaker: b, address: address, id: id}, 0, nil, ""
	}
	if wait = held; !gate.suspects(id) {
		wait = max(time.Until(gate.next), held)
	}
	if wait > 0 || gate.probing {
		return nil, max(wait, firstProbe), b.changed, gate.why
	}
	gate.probing = true
	return &pass{breaker: b, address: address, id: id, probe: gate}, 0, nil, ""
}

// use notes that somebody has to do with a lane, and drops the lanes that nobody has any more: what failed there was
// superseded, silenced or given up, which says nothing of the service.
func (b *breaker) use(address string) {
	now := time.Now()
	b.used = latest(b.used, now)
	if lane := b.lanes[address]; lane != nil {
		lane.used = latest(lane.used, now)
	}
	if now.Sub(b.swept) < sweepEvery {
		return
	}
	b.swept = now
	for address, lane := range b.lanes {
		if now.Sub(lane.used) > unused && !lane.probing {
			delete(b.lanes, address)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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

// failed notes that the service failed. It may have asked for a pause.
func (p *pass) failed(why string, pause time.Duration) {
	p.mu.Lock()
	now, was := time.Now(), p.total.open()
	p.use(p.address)
	lane := p.lanes[p.address]
	if lane == nil {
		lane = &circuit{}
		p.lanes[p.address] = lane
	}
	f := failure{p.id, why, pause}
	lane.fail(f, now, p.probe == lane)
	p.total.fail(f, now, p.probe == &p.total)
	p.used = latest(p.used, p.total.used)
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

// left is how long the breaker has to be kept if nobody uses it any more.
func (b *breaker) left() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total.probing {
		return unused
	}
	for _, lane := range b.lanes {
		if lane.probing {
			return unused
		}
	}
	return time.Until(b.used.Add(unused))
}

// failing says whether the whole service does.
func (b *breaker) failing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total.open()
}
