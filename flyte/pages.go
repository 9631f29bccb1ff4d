package flyte

import (
	"context"
	"fmt"
)

// namesAtOnce is how many names are read from the source together: fewer reads than calls.
const namesAtOnce = 1000

// page is the names of one call, in the source's order.
type page struct {
	names []string
	last  bool // there are no more
	err   error
}

// pages reads a poller's names, the next ones while those before are at work: a large shard must not
// wait for its store and for flyteadmin in turn.
type pages struct {
	p     *poller
	given string // the last name of the page before
	seen  int    // names so far
	read  []string
	after string     // the last of them, ever
	ended bool       // there are no more to read
	ahead chan block // what is being read; nil for nothing
}

// block is what one read of the source gave.
type block struct {
	names []string
	err   error
}

// pagesBehind begins behind a name.
func (p *poller) pagesBehind(name string) *pages { return &pages{p: p, given: name, after: name} }

// next returns the next page. After the last one, or an error, there is none.
func (s *pages) next(ctx context.Context) page {
	batch := s.p.batch(s.seen)
	for len(s.read) < batch && !s.ended {
		if err := s.more(ctx); err != nil {
			return page{err: err}
		}
	}
	n := min(batch, len(s.read))
	g := page{names: s.read[:n:n]}
	s.read = s.read[n:]
	g.last = s.ended && len(s.read) == 0
	if s.seen += n; n > 0 {
		s.given = g.names[n-1]
	}
	return g
}

// more takes what was being read, and begins to read what comes behind it.
func (s *pages) more(ctx context.Context) error {
	if s.ahead == nil {
		s.fetch(ctx)
	}
	b := <-s.ahead
	s.ahead = nil
	if b.err != nil {
		return fmt.Errorf("read names to poll: %w", b.err)
	}
	s.read = append(s.read, b.names...)
	if s.ended = len(b.names) < namesAtOnce; s.ended {
		return nil
	}
	s.after = b.names[len(b.names)-1]
	if ctx.Err() == nil {
		s.fetch(ctx)
	}
	return nil
}

func (s *pages) fetch(ctx context.Context) {
	s.ahead = make(chan block, 1)
	go func(ahead chan<- block, after string) {
		names, err := s.p.source.Names(ctx, s.p.shard, after, namesAtOnce)
		ahead <- block{names: names, err: err}
	}(s.ahead, s.after)
}

// close waits for what is being read: nothing reads the source once the feed has ended.
func (s *pages) close() {
	if s.ahead != nil {
		<-s.ahead
	}
}
