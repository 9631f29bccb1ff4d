package app

import "github.com/flyte-notifier/flyte-notifier/store"

// died lets what waits for a delivery go on, once it is dead, and has the operators told.
func (s *server) died(d store.Delivery) {
	s.executor.Died(d)
	s.ops.Died(d)
}
