package delivery

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	// reminderShare says that of so many places that go to those who wait one is a reminder's: else reminders would wait
	// until they are too old, in a lane that gets as much of what is new as its rate allows.
	reminderShare = 10

	manyParties = 1024 // so many are remembered before all of them are forgotten
)

// party is whose delivery it is. Those of a lane that have to wait take turns.
type party struct {
	project, domain string
	reminder        bool
}

func partyOf(d store.Delivery) party {
	return party{project: d.Execution.Project, domain: d.Execution.Domain, reminder: d.Reminder()}
}

// places are so many at once. One that is left goes to the party that was served longest ago of those that wait, to what
// is new before reminders; within a party to whoever waits longest.
type places struct {
	most int

	mu      sync.Mutex
	taken   int
	waiting map[party][]waiter
	all     int           // that wait
	came    int           // that ever waited
	given   int           // places, ever
	served  map[party]int // last, by given
	news    int           // places in a row that went to what is new while reminders waited
}

// waiter is one that waits.
type waiter struct {
	place chan struct{} // closed when it has one
	since time.Time     // those that wait longer go first of their party
	came  int           // by places.came
}

func newPlaces(most int) *places {
	return &places{most: most, waiting: map[party][]waiter{}, served: map[party]int{}}
}

// busy returns how many are taken.
func (p *places) busy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// try takes a place if one is free; then nobody waits.
func (p *places) try(who party) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(who)
}

func (p *places) take(who party) bool {
	if p.taken >= p.most {
		return false
	}
	p.taken++
	p.serve(who)
	return true
}

// wait takes a place, at once if one is free, else when it is the party's turn. It returns false if ctx ends before; or
// if there is no room to wait in: that is asked with how many of the party, and of all, wait already, and left at the end.
func (p *places) wait(ctx context.Context, who party, room func(own, all int) (leave func(), ok bool)) bool {
	return p.await(ctx, who, waiter{}, room)
}

// await is wait, for one that waits since a time of its own.
func (p *places) await(ctx context.Context, who party, w waiter, room func(own, all int) (leave func(), ok bool)) bool {
	w, leave, ok := p.join(who, w, room)
	if !ok || w.place == nil {
		return ok
	}
	defer leave()
	select {
	case <-w.place:
		return true
	case <-ctx.Done():
		return p.had(who, w)
	}
}

// join takes a place, or lines up for one.
func (p *places) join(who party, w waiter, room func(own, all int) (leave func(), ok bool)) (joined waiter, leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.take(who) {
		return waiter{}, nil, true
	}
	if leave, ok = room(len(p.waiting[who]), p.all); !ok {
		return waiter{}, nil, false
	}
	p.all, p.came = p.all+1, p.came+1
	w.place, w.came = make(chan struct{}), p.came
	i, _ := slices.BinarySearchFunc(p.waiting[who], w, func(a, b waiter) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.came, b.came))
	})
	p.waiting[who] = slices.Insert(p.waiting[who], i, w)
	return w, leave, true
}

// had says whether one that waits no longer was given a place just before.
func (p *places) had(who party, w waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.waiting[who]
	i := slices.IndexFunc(line, func(other waiter) bool { return other.came == w.came })
	if i < 0 {
		return true
	}
	p.remove(who, i)
	return false
}

// remove takes one out of those of a party that wait.
func (p *places) remove(who party, i int) {
	p.all--
	if p.waiting[who] = slices.Delete(p.waiting[who], i, i+1); len(p.waiting[who]) == 0 {
		delete(p.waiting, who)
	}
}

// leave gives a place to the next.
func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.next()
	if !ok {
		p.taken--
		return
	}
	close(p.waiting[who][0].place)
	p.remove(who, 0)
	p.serve(who)
}

// serve notes that the party was given a place.
func (p *places) serve(who party) {
	if len(p.served) >= manyParties {
		clear(p.served)
	}
	p.given++
	p.served[who] = p.given
}

// next says whose turn it is.
func (p *places) next() (who party, ok bool) {
	var first [2]party // of what is new, and of reminders
	var waits [2]bool
	for other := range p.waiting {
		c := 0
		if other.reminder {
			c = 1
		}
		if !waits[c] || p.before(other, first[c]) {
			first[c], waits[c] = other, true
		}
	}
	switch {
	case waits[0] && waits[1] && p.news < reminderShare-1:
		p.news++
		return first[0], true
	case waits[1]:
		p.news = 0
		return first[1], true
	}
	return first[0], waits[0]
}

// before says whether it is a's turn before it is b's.
func (p *places) before(a, b party) bool {
	return cmp.Or(cmp.Compare(p.served[a], p.served[b]), cmp.Compare(p.waiting[a][0].came, p.waiting[b][0].came)) < 0
}
