package postgres

import (
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// River's priorities: what is usual goes first, however old the rest is. Of a lane that is flooded, those projects and
// domains go first that do not flood it, and reminders last.
const (
	usual     = 1
	beside    = 2
	flooding  = 3
	reminding = 4
)

// A lane is flooded beyond a burst, and more than so many a second; and so a project and domain floods it. It stays so
// until the mean of what it gets is less again, but at most for floodLength.
const (
	floodEvery  = time.Second / 8
	floodBurst  = 32 * floodEvery
	floodLength = time.Minute
	manyFloods  = 8192 // so many streams are kept before those are forgotten that are not in use
)

// stream is what one project and domain send to a lane; all of the lane where the scope is zero.
type stream struct {
	store.Lane
	flyte.Scope
}

// floods tells lanes that are flooded, so that a message to a quiet one is not behind thousands to another of its
// connection, and who floods them. Each server goes by what it puts into the queue itself; what a transaction that is
// repeated puts there counts each time.
type floods struct {
	mu      sync.Mutex
	streams map[stream]time.Time // when what came so far would have come, at the pace of floodEvery
}

// priority is that of one more delivery of the project and domain to the lane.
func (f *floods) priority(l store.Lane, s flyte.Scope, reminder bool, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streams == nil || len(f.streams) >= manyFloods {
		f.forget(now)
	}
	lane := f.flooded(stream{Lane: l}, now)
	scope := lane
	if s != (flyte.Scope{}) {
		scope = f.flooded(stream{Lane: l, Scope: s}, now)
	}
	switch {
	case !lane:
		return usual
	case reminder:
		return reminding
	case scope:
		return flooding
	}
	return beside
}

// flooded counts one more, and says whether they are too many.
func (f *floods) flooded(s stream, now time.Time) bool {
	at := f.streams[s]
	if at.Before(now) {
		at = now
	}
	at = at.Add(floodEvery)
	if limit := now.Add(floodLength); at.After(limit) {
		at = limit
	}
	f.streams[s] = at
	return at.Sub(now) > floodBurst
}

// forget drops streams that got little of late, and some of the others if they are too many.
func (f *floods) forget(now time.Time) {
	kept := map[stream]time.Time{}
	for s, at := range f.streams {
		if at.After(now) && len(kept) < manyFloods/2 {
			kept[s] = at
		}
	}
	f.streams = kept
}
