package engine

import "github.com/flyte-notifier/flyte-notifier/store"

// Tally is how many watches and deliveries there are by state.
type Tally struct {
	Watches    map[store.WatchState]int
	Deliveries map[store.DeliveryState]int
}

// NewTally returns one of nothing.
func NewTally() Tally {
	return Tally{Watches: map[store.WatchState]int{}, Deliveries: map[store.DeliveryState]int{}}
}

// Scan adds a row of three columns: whether it is of watches, their state, and how many.
func (t Tally) Scan(scan func(dest ...any) error) error {
	var ofWatches bool
	var state string
	var n int
	if err := scan(&ofWatches, &state, &n); err != nil {
		return err
	}
	if ofWatches {
		t.Watches[store.WatchState(state)] = n
	} else {
		t.Deliveries[store.DeliveryState(state)] = n
	}
	return nil
}
