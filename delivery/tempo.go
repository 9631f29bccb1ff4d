package delivery

import (
	"sync"
	"time"
)

// tempo is how fast the sends of a lane follow each other, and when the next of those that found no place
// shall come back: one after the other, a little faster than they are sent. All at once would keep the store
// busy with nothing.
type tempo struct {
	mu    sync.Mutex
	last  time.Time     // when a send ended
	every time.Duration // between two, smoothed
	next  time.Time     // until then somebody comes back already
}

// sent counts one more.
func (t *tempo) sent() {
	const smooth = 8
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.last.IsZero() {
		t.every += (min(now.Sub(t.last), standstill) - t.every) / smooth
	}
	t.last = now
}

// later returns when one more comes back.
func (t *tempo) later() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	at := now.Add(leastLater)
	if t.next.After(at) {
		at = t.next
	}
	t.next = at.Add(max(t.every*2/3, fastest))
	return min(at.Sub(now), mostLater)
}
