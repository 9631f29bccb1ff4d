package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/internal/engine"
)

// loaded is a delivery as its job finds it.
type loaded struct {
	store.Delivery
	head bool // it is Pending, and the first of its watch and lane
}

// ask is for a delivery by its id.
type ask struct {
	id     string
	loaded loaded
}

// newLoader returns what reads deliveries for jobs: they come in fetches of many.
func newLoader(s *Store) *engine.Batches[*ask] { return engine.Start(s.load) }

// reading asks a loader.
func reading(b *engine.Batches[*ask]) func(context.Context, string) (loaded, error) {
	return func(ctx context.Context, id string) (loaded, error) {
		a := &ask{id: id}
		if err := b.Do(ctx, a); err != nil {
			return loaded{}, err // it may still be written to
		}
		return a.loaded, nil
	}
}

// load reads the deliveries. One that is gone is not a head.
func (s *Store) load(asks []*engine.Job[*ask]) {
	const query = "SELECT d.head, " + deliveryColumns + " FROM flyte_notifier.deliveries d WHERE d.id = ANY($1)"
	ids := make([]string, 0, len(asks))
	for _, a := range asks {
		ids = append(ids, a.In.id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	found, err := list(ctx, s.pool, scanLoaded, query, ids)
	if err != nil {
		err = fmt.Errorf("read deliveries: %w", err)
	}
	byID := make(map[string]loaded, len(found))
	for _, d := range found {
		byID[d.ID] = d
	}
	for _, a := range asks {
		a.In.loaded = byID[a.In.id]
		a.Answer(err)
	}
}

// scanLoaded scans head and deliveryColumns.
func scanLoaded(row pgx.Row) (d loaded, err error) {
	d.Delivery, err = scanDelivery(prefixed{row, &d.head})
	return d, err
}
