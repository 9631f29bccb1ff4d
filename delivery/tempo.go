package delivery

import (
	"sync"
	"time"
)

// longestTempo is when those come back at the latest that found no place in a lane that sends: others may be
// done sooner than they were.
const longestTempo = 10 * time.Second

// tempo is how fast the sends of a lane follow each other while some have to wait, and when the next of those
// that found no place shall come back: one after the other, a little faster than they are sent. All at once
// would keep the store busy with nothing.
type tempo struct {
	mu    sync.Mutex
	last  time.Time     // when a send ended
	every time.Duration // between two, smoothed
	short bool          // somebody found no place since the last send
	next  time.Time     // until then somebody comes back already
}

// sent counts one more. Only while somebody waits does the time since the last one say how fast it goes.
func (t *tempo) sent() {
	const smooth = 8
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if gap := now.Sub(t.last); t.short && gap < standstill {
		t.pace(now, t.every+(gap-t.every)/smooth)
	}
	t.last, t.short = now, false
}

// pace sets a new tempo. Where it is faster, those to come need not come back after all that were told to.
func (t *tempo) pace(now time.Time, every time.Duration) {
	if ahead := t.next.Sub(now); ahead > 0 && every < t.every {
		t.next = now.Add(time.Duration(float64(ahead) * float64(every) / float64(t.every)))
	}
	t.every = every
}

// later returns when one more comes back.
func (t *tempo) later() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.short = true
	return inLine(&t.next, time.Now(), 0, longestTempo, max(t.every*2/3, fastest))
}
