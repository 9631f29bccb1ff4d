package metered

import (
	"context"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// The operations of store.Notes and store.Bundles.

func (s *metered) Notes(ctx context.Context, kind string, keys []string) ([]store.Note, error) {
	return measure(ctx, s.metrics, "notes", func() ([]store.Note, error) { return s.Store.Notes(ctx, kind, keys) })
}

func (s *metered) AllNotes(ctx context.Context, kind, after string, limit int) ([]store.Note, error) {
	return measure(ctx, s.metrics, "all_notes", func() ([]store.Note, error) { return s.Store.AllNotes(ctx, kind, after, limit) })
}

func (s *metered) NotesOf(ctx context.Context, kind string, id flyte.ExecutionID) ([]store.Note, error) {
	return measure(ctx, s.metrics, "notes_of", func() ([]store.Note, error) { return s.Store.NotesOf(ctx, kind, id) })
}

func (s *metered) DueNotes(ctx context.Context, kind string, now time.Time, after store.Note, limit int) ([]store.Note, error) {
	return measure(ctx, s.metrics, "due_notes", func() ([]store.Note, error) { return s.Store.DueNotes(ctx, kind, now, after, limit) })
}

func (s *metered) NextDue(ctx context.Context, kind string) (time.Time, error) {
	return measure(ctx, s.metrics, "next_due", func() (time.Time, error) { return s.Store.NextDue(ctx, kind) })
}

func (s *metered) Write(ctx context.Context, c store.Change) error {
	return s.metrics.run(ctx, "write", func() error { return s.Store.Write(ctx, c) })
}

func (s *metered) Bundles(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return measure(ctx, s.metrics, "bundles", func() ([]string, error) { return s.Store.Bundles(ctx, now, limit) })
}

func (s *metered) NextBundle(ctx context.Context) (time.Time, error) {
	return measure(ctx, s.metrics, "next_bundle", func() (time.Time, error) { return s.Store.NextBundle(ctx) })
}

func (s *metered) Held(ctx context.Context, bundle string, limit int) ([]store.Delivery, error) {
	return measure(ctx, s.metrics, "held", func() ([]store.Delivery, error) { return s.Store.Held(ctx, bundle, limit) })
}

func (s *metered) DeliveriesOf(ctx context.Context, ids []string) ([]store.Delivery, error) {
	return measure(ctx, s.metrics, "deliveries_of", func() ([]store.Delivery, error) { return s.Store.DeliveriesOf(ctx, ids) })
}
