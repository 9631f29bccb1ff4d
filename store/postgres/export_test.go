package postgres

import (
	"context"
	"math"
	"time"
)

// Adopt gives jobs to all heads that have none.
func (s *Store) Adopt(ctx context.Context) (int, error) {
	return s.adopt(ctx, time.UnixMicro(math.MaxInt64))
}

// Working returns how many jobs this process works on.
func (s *Store) Working() int {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	return len(s.jobs.work)
}
