package flyte

import (
	"cmp"
	"slices"
	"time"
)

// FeedStats is what a feed has done since it was made.
type FeedStats struct {
	Calls      int64 // list calls
	Errors     int64 // of those calls
	Rows       int64 // rows that came back
	SweepFinds int64 // news that only the sweep found
	// FailingSince is since when the shard that fails longest has failed; zero if none does.
	FailingSince time.Time
	Shards       []ShardStats // those that are polled now, sorted
}

// ShardStats is what a feed has done in one shard since it began to poll it.
type ShardStats struct {
	Shard        Shard
	Names        int   // names in the last whole round
	Calls        int64 // as in FeedStats
	Errors       int64
	Rows         int64
	SweepFinds   int64
	Overlap      time.Duration // as it is now
	LastSuccess  time.Time     // end of the last whole round; zero before the first
	FailingSince time.Time     // when flyteadmin, the source or the sink began to fail; zero while all is well
	LastError    string        // why, while it fails
}

func (f *FeedStats) add(s ShardStats) {
	f.Calls += s.Calls
	f.Errors += s.Errors
	f.Rows += s.Rows
	f.SweepFinds += s.SweepFinds
}

// Stats returns what the feed has done so far.
func (f *Feed) Stats() FeedStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.past
	for p := range f.pollers {
		s := p.snapshot()
		all.add(s)
		if !s.FailingSince.IsZero() && (all.FailingSince.IsZero() || s.FailingSince.Before(all.FailingSince)) {
			all.FailingSince = s.FailingSince
		}
		all.Shards = append(all.Shards, s)
	}
	slices.SortFunc(all.Shards, func(a, b ShardStats) int { return a.Shard.Compare(b.Shard) })
	return all
}

// Compare orders shards by scope, and those of a scope by their place.
func (s Shard) Compare(t Shard) int {
	return cmp.Or(
		cmp.Compare(s.Scope.Org, t.Scope.Org), cmp.Compare(s.Scope.Project, t.Scope.Project),
		cmp.Compare(s.Scope.Domain, t.Scope.Domain), cmp.Compare(s.Index, t.Index), cmp.Compare(s.Of, t.Of),
	)
}

func (f *Feed) add(p *poller) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pollers[p] = true
}

// remove forgets a poller but for its sums: counters never go back.
func (f *Feed) remove(p *poller) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pollers, p)
	f.past.add(p.snapshot())
}
