package flyte

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Buckets is into how many buckets names are hashed: the most shards that a scope can have.
const Buckets = 256

// Bucket is the bucket of an execution's name, from 0 to Buckets-1. Stores keep it in their rows, so
// it never changes.
func Bucket(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash does not fail
	return int(h.Sum32() % Buckets)
}

// Shard is a part of a scope: the executions in the Index-th of Of equal ranges of buckets. Of is a
// power of two, at most Buckets. A whole scope is Shard{Scope: s, Of: 1}.
type Shard struct {
	Scope Scope
	Index int
	Of    int
}

// Range returns the first bucket of the shard, and the one behind its last.
func (s Shard) Range() (from, to int) {
	width := Buckets / s.Of
	return s.Index * width, (s.Index + 1) * width
}

// Has says whether an execution of the shard's scope belongs to it.
func (s Shard) Has(name string) bool {
	from, to := s.Range()
	b := Bucket(name)
	return from <= b && b < to
}

// String is "ml/production", or "ml/production 1/4" for the second of four.
func (s Shard) String() string {
	if s.Of == 1 {
		return s.Scope.String()
	}
	return fmt.Sprintf("%s %d/%d", s.Scope, s.Index, s.Of)
}

// Cursor is how far a shard's changes were taken: all that flyteadmin had written before Since and
// that was visible within Overlap. The zero cursor is one of which nothing was taken.
type Cursor struct {
	Since   time.Time
	Overlap time.Duration
}
