package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// loaded is a delivery as its job finds it.
type loaded struct {
	store.Delivery
	head bool // it is Pending, and the first of its watch and lane
}

// loader reads deliveries for jobs. What is asked for while a query is under way goes into the next one
// together: jobs come in fetches of many.
type loader struct {
	s    *Store
	asks chan *ask
	stop chan struct{}
	done sync.WaitGroup
}

type ask struct {
	id     string
	answer chan error
	loaded loaded
}

func newLoader(s *Store) *loader {
	l := &loader{s: s, asks: make(chan *ask), stop: make(chan struct{})}
	l.done.Go(l.loop)
	return l
}

func (l *loader) close() {
	close(l.stop)
	l.done.Wait()
}

// load returns the delivery. One that is gone is not a head.
func (l *loader) load(ctx context.Context, id string) (loaded, error) {
	a := &ask{id: id, answer: make(chan error, 1)}
	select {
	case l.asks <- a:
	case <-ctx.Done():
		return loaded{}, ctx.Err()
	case <-l.stop:
		return loaded{}, errClosed
	}
	select {
	case err := <-a.answer:
		return a.loaded, err
	case <-ctx.Done():
		return loaded{}, ctx.Err()
	}
}

func (l *loader) loop() {
	for {
		select {
		case <-l.stop:
			return
		case a := <-l.asks:
			l.read(l.gather(a))
		}
	}
}

// gather takes what waits, without waiting for more.
func (l *loader) gather(first *ask) map[string]*ask {
	all := map[string]*ask{first.id: first}
	for len(all) < batchSize {
		select {
		case a := <-l.asks:
			all[a.id] = a // an id is asked for once at a time, see jobs.begin
		default:
			return all
		}
	}
	return all
}

func (l *loader) read(all map[string]*ask) {
	const query = "SELECT d.head, " + deliveryColumns + " FROM flyte_notifier.deliveries d WHERE d.id = ANY($1)"
	ids := make([]string, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	found, err := list(ctx, l.s.pool, scanLoaded, query, ids)
	if err != nil {
		err = fmt.Errorf("read deliveries: %w", err)
	}
	for _, d := range found {
		if err == nil {
			all[d.ID].loaded = d
		}
	}
	for _, a := range all {
		a.answer <- err
	}
}

// scanLoaded scans head and deliveryColumns.
func scanLoaded(row pgx.Row) (d loaded, err error) {
	d.Delivery, err = scanDelivery(prefixed{row, &d.head})
	return d, err
}
