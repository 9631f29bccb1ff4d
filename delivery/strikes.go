package delivery

import "sync"

// strikes count the failures in a row of each pending delivery, those before a send among them
// (a name that cannot be resolved, an outcome that cannot be looked up), for the back-off. A
// restart forgets them, and begins with the first back-off again.
type strikes struct {
	mu sync.Mutex
	n  map[string]int
}

func (s *strikes) add(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == nil {
		s.n = map[string]int{}
	}
	s.n[id]++
	return s.n[id]
}

func (s *strikes) clear(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.n, id)
}
