package sqlite

import (
	"sync"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// The bounds of recent: some megabytes at most, whatever tasks bring along.
const (
	recentWatches = 2048    // of each generation
	recentSize    = 4 << 10 // bytes of a watch's documents
)

// recent holds active watches that were read lately. FlytePropeller asks for a task that waits again
// and again, and in between mostly nothing happens to it: a read from here takes a microsecond, one by
// SQLite many tens. Of more watches that are asked for in turn than both generations hold, each is read
// by SQLite every time.
//
// Every change of a watch goes through the server's one writer, which tells before it commits and
// afterwards, so that what is here is what a read would find. A nil recent holds nothing: beside a server
// others write.
type recent struct {
	mu    sync.RWMutex
	epoch int64 // raised when a change begins and when it has ended: odd in between
	young map[string]store.Watch
	old   map[string]store.Watch // the young of before
}

// get returns a watch that is here, and the epoch, which a read that follows hands to put.
func (r *recent) get(id string) (w store.Watch, epoch int64, ok bool) {
	if r == nil {
		return w, 0, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if w, ok = r.young[id]; !ok {
		w, ok = r.old[id]
	}
	return w, r.epoch, ok
}

// put keeps a watch that was read in the epoch, unless something changes or has changed since: the
// read may have come before that.
func (r *recent) put(w store.Watch, epoch int64) {
	if r == nil || w.State != store.Active || len(w.Custom)+len(w.Inputs) > recentSize {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch != epoch || epoch%2 != 0 {
		return
	}
	if r.young == nil || len(r.young) >= recentWatches {
		r.young, r.old = map[string]store.Watch{}, r.young
	}
	r.young[w.ID] = w
}

// change forgets watches, before a commit that may change them.
func (r *recent) change(ids []string) {
	if r == nil || len(ids) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	for _, id := range ids {
		delete(r.young, id)
		delete(r.old, id)
	}
}

// changed follows on change, with the same watches, after the commit.
func (r *recent) changed(ids []string) {
	if r == nil || len(ids) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
}
