package postgres

import (
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// River's priorities: what is usual goes first, however old the rest is.
const (
	usual   = 1
	flooded = 2
)

// A lane is flooded beyond a burst, and more than so many a second. It stays so until the mean of what it gets is
// less again, but at most for floodLength.
const (
	floodEvery  = time.Second / 8
	floodBurst  = 32 * floodEvery
	floodLength = time.Minute
	manyFloods  = 4096 // so many lanes are kept before those are forgotten that are not in use
)

// floods tells lanes that are flooded, so that a message to a quiet one is not behind thousands to another of its
// connection. Each server goes by what it puts into the queue itself; what a transaction that is repeated puts there
// counts each time.
type floods struct {
	mu    sync.Mutex
	lanes map[store.Lane]time.Time // when what came so far would have come, at the pace of floodEvery
}

// priority is that of one more delivery of the lane.
func (f *floods) priority(l store.Lane, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lanes == nil || len(f.lanes) >= manyFloods {
		f.forget(now)
	}
	at := f.lanes[l]
	if at.Before(now) {
		at = now
	}
	at = at.Add(floodEvery)
	if limit := now.Add(floodLength); at.After(limit) {
		at = limit
	}
	f.lanes[l] = at
	if at.Sub(now) > floodBurst {
		return flooded
	}
	return usual
}

// forget drops lanes that got little of late, and some of the others if they are too many.
func (f *floods) forget(now time.Time) {
	kept := map[store.Lane]time.Time{}
	for l, at := range f.lanes {
		if at.After(now) && len(kept) < manyFloods/2 {
			kept[l] = at
		}
	}
	f.lanes = kept
}
