package delivery

import (
	"context"
	"sync"
)

// maxUnderWay is how many sends of one connection may be under way at once: far more than a
// service that answers ever needs, and few enough that one that hangs cannot use up the process's
// file descriptors.
const maxUnderWay = 512

// slots bound the sends under way of each connection.
type slots struct {
	mu    sync.Mutex
	taken map[string]chan struct{}
}

// enter waits for a slot; leave gives it back. Without ok, ctx ended first.
func (s *slots) enter(ctx context.Context, connection string) (leave func(), ok bool) {
	s.mu.Lock()
	if s.taken == nil {
		s.taken = map[string]chan struct{}{}
	}
	taken, known := s.taken[connection]
	if !known {
		taken = make(chan struct{}, maxUnderWay)
		s.taken[connection] = taken
	}
	s.mu.Unlock()
	select {
	case taken <- struct{}{}:
		return func() { <-taken }, true
	case <-ctx.Done():
		return nil, false
	}
}
