package delivery

import (
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// holds are the lanes whose service asked this process to leave it alone, and until when. The store
// keeps them as well, for the sends of every server (see store.Outcome); these are for the calls
// before a send, and spare the store questions.
type holds struct {
	mu    sync.Mutex
	until map[store.Lane]time.Time
}

func (h *holds) add(l store.Lane, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil {
		h.until = map[store.Lane]time.Time{}
	}
	if until := time.Now().Add(d); until.After(h.until[l]) {
		h.until[l] = until
	}
}

// left is how long the lane is still held; zero or less when it is not.
func (h *holds) left(l store.Lane) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, held := h.until[l]
	if !held {
		return 0
	}
	left := time.Until(until)
	if left <= 0 {
		delete(h.until, l)
	}
	return left
}
