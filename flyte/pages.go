package flyte

import (
	"context"
	"fmt"
)

// page is some names, in the source's order.
type page struct {
	names []string
	last  bool // there are no more
	err   error
}

// pages reads a poller's names page by page, the next one while the last is at work: a large shard
// must not wait for its store and for flyteadmin in turn.
type pages struct {
	p     *poller
	after string    // name behind which the page that comes next begins
	seen  int       // names so far
	ahead chan page // the page that is being read; nil for none
}

// next returns the next page. After the last one, or an error, there is none.
func (s *pages) next(ctx context.Context) page {
	var g page
	if s.ahead == nil {
		g = s.read(ctx)
	} else {
		g = <-s.ahead
		s.ahead = nil
	}
	if g.err != nil || len(g.names) == 0 {
		return g
	}
	s.after = g.names[len(g.names)-1]
	s.seen += len(g.names)
	if !g.last && ctx.Err() == nil {
		s.ahead = make(chan page, 1)
		go func(ahead chan<- page, from pages) { ahead <- from.read(ctx) }(s.ahead, *s)
	}
	return g
}

// close waits for the page that is being read: nothing reads the source once the feed has ended.
func (s *pages) close() {
	if s.ahead != nil {
		<-s.ahead
	}
}

func (s *pages) read(ctx context.Context) page {
	batch := s.p.batch(s.seen)
	names, err := s.p.source.Names(ctx, s.p.shard, s.after, batch)
	if err != nil {
		err = fmt.Errorf("read names to poll: %w", err)
	}
	return page{names: names, last: len(names) < batch, err: err}
}
