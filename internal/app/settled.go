package app

import "github.com/flyte-notifier/flyte-notifier/store"

// settled lets what waits for a delivery go on, once it is known what became of it, and has the operators told of one that
// is dead.
func (s *server) settled(d store.Delivery) {
	s.executor.Settled(d)
	if d.State == store.Dead {
		s.ops.Died(d)
	}
}

// inserted has what the executor stored sent, and the operators told of what was dead from the start.
func (s *server) inserted(made []store.Delivery) {
	s.outbox.Inserted(made)
	for _, d := range made {
		if d.State == store.Dead {
			s.ops.Died(d)
		}
	}
}
