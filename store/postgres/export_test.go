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

// RiverIndexes returns the indexes that River is told to rebuild.
func RiverIndexes() []string { return riverIndexes() }

// MaxWorkers is how many jobs of a queue are at work at most.
const MaxWorkers = maxWorkers

// QueueOf returns the queue of a connection.
func QueueOf(connection string) string { return queueOf(connection) }

// Rehome hands over the jobs of connections that are gone.
func (s *Store) Rehome(ctx context.Context) error { return s.rehome(ctx) }
