package delivery

import (
	"sync"
	"time"
)

const (
	manyStrikes = 10_000    // so many are kept before old ones are forgotten
	oldStrike   = time.Hour // much longer than any back-off
)

// strikes count the failures in a row of each pending delivery, those before a send among them
// (a name that cannot be resolved, an outcome that cannot be looked up), for the back-off. They are of
// this process. The attempts that the store counts make the back-off grow at all servers alike.
type strikes struct {
	mu    sync.Mutex
	all   map[string]strike
	swept time.Time
}

type strike struct {
	n  int
	at time.Time // of the last
}

func (s *strikes) add(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.all == nil {
		s.all = map[string]strike{}
	}
	if len(s.all) >= manyStrikes && now.Sub(s.swept) > sweepEvery { // there may be many more, all of them young
		s.swept = now
		s.forget(now)
	}
	n := s.all[id].n + 1
	s.all[id] = strike{n: n, at: now}
	return n
}

// forget drops those of deliveries that another server settled.
func (s *strikes) forget(now time.Time) {
	for id, last := range s.all {
		if now.Sub(last.at) > oldStrike {
			delete(s.all, id)
		}
	}
}

func (s *strikes) clear(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}
