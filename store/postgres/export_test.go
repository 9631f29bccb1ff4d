package postgres

// Working returns how many jobs this process works on.
func (s *Store) Working() int {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	return len(s.jobs.work)
}
