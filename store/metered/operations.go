package metered

import (
	"context"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// The operations of the ports, each under its name. Deliveries and Watches are not measured: how
// long they take is up to whoever reads.

func (s *metered) Register(ctx context.Context, w store.Watch) (store.Watch, error) {
	return measure(ctx, s.metrics, "register", func() (store.Watch, error) { return s.Store.Register(ctx, w) })
}

func (s *metered) Watch(ctx context.Context, id string) (store.Watch, error) {
	return measure(ctx, s.metrics, "watch", func() (store.Watch, error) { return s.Store.Watch(ctx, id) })
}

func (s *metered) Cancel(ctx context.Context, id string, attempt uint32, reason string, now time.Time) error {
	return s.metrics.run(ctx, "cancel", func() error { return s.Store.Cancel(ctx, id, attempt, reason, now) })
}

func (s *metered) WatchDeliveries(ctx context.Context, id string) ([]store.Delivery, error) {
	return measure(ctx, s.metrics, "watch_deliveries", func() ([]store.Delivery, error) { return s.Store.WatchDeliveries(ctx, id) })
}

func (s *metered) Events(ctx context.Context, id string, after int64, limit int) ([]store.Event, error) {
	return measure(ctx, s.metrics, "events", func() ([]store.Event, error) { return s.Store.Events(ctx, id, after, limit) })
}

func (s *metered) Names(ctx context.Context, shard flyte.Shard, ended time.Time, after string, limit int) ([]string, error) {
	return measure(ctx, s.metrics, "names", func() ([]string, error) { return s.Store.Names(ctx, shard, ended, after, limit) })
}

func (s *metered) ByName(ctx context.Context, scope flyte.Scope, ended time.Time, names []string) ([]store.Watch, error) {
	return measure(ctx, s.metrics, "by_name", func() ([]store.Watch, error) { return s.Store.ByName(ctx, scope, ended, names) })
}

func (s *metered) Fresh(ctx context.Context, k store.Kind, limit int) ([]store.Watch, error) {
	return measure(ctx, s.metrics, "fresh", func() ([]store.Watch, error) { return s.Store.Fresh(ctx, k, limit) })
}

func (s *metered) Nodes(ctx context.Context, after string, limit int) ([]store.Watch, error) {
	return measure(ctx, s.metrics, "nodes", func() ([]store.Watch, error) { return s.Store.Nodes(ctx, after, limit) })
}

func (s *metered) Move(ctx context.Context, t store.Transition) error {
	return s.metrics.run(ctx, "move", func() error { return s.Store.Move(ctx, t) })
}

func (s *metered) Shards(ctx context.Context) ([]flyte.Shard, error) {
	return measure(ctx, s.metrics, "shards", func() ([]flyte.Shard, error) { return s.Store.Shards(ctx) })
}

func (s *metered) Claim(ctx context.Context, shard flyte.Shard) (epoch int64, c flyte.Cursor, err error) {
	err = s.metrics.run(ctx, "claim", func() error {
		epoch, c, err = s.Store.Claim(ctx, shard)
		return err
	})
	return epoch, c, err
}

func (s *metered) Advance(ctx context.Context, shard flyte.Shard, epoch int64, c flyte.Cursor) error {
	return s.metrics.run(ctx, "advance", func() error { return s.Store.Advance(ctx, shard, epoch, c) })
}

func (s *metered) Split(ctx context.Context, scope flyte.Scope, of int) error {
	return s.metrics.run(ctx, "split", func() error { return s.Store.Split(ctx, scope, of) })
}

func (s *metered) Lanes(ctx context.Context, now time.Time) ([]store.DueLane, error) {
	return measure(ctx, s.metrics, "lanes", func() ([]store.DueLane, error) { return s.Store.Lanes(ctx, now) })
}

func (s *metered) Due(ctx context.Context, l store.Lane, now time.Time, limit int) ([]store.Delivery, error) {
	return measure(ctx, s.metrics, "due", func() ([]store.Delivery, error) { return s.Store.Due(ctx, l, now, limit) })
}

func (s *metered) NextAt(ctx context.Context, now time.Time) (time.Time, error) {
	return measure(ctx, s.metrics, "next_at", func() (time.Time, error) { return s.Store.NextAt(ctx, now) })
}

func (s *metered) Begin(ctx context.Context, id string, attempts int, now time.Time, rates []store.Rate) (time.Duration, error) {
	return measure(ctx, s.metrics, "begin", func() (time.Duration, error) { return s.Store.Begin(ctx, id, attempts, now, rates) })
}

func (s *metered) Settle(ctx context.Context, id string, o store.Outcome) error {
	return s.metrics.run(ctx, "settle", func() error { return s.Store.Settle(ctx, id, o) })
}

func (s *metered) Recover(ctx context.Context, now time.Time) (int, error) {
	n, err := measure(ctx, s.metrics, "recover", func() (int, error) { return s.Store.Recover(ctx, now) })
	s.metrics.interrupted.Add(float64(n))
	return n, err
}

func (s *metered) Resolved(ctx context.Context, l store.Lane) ([]byte, error) {
	return measure(ctx, s.metrics, "resolved", func() ([]byte, error) { return s.Store.Resolved(ctx, l) })
}

func (s *metered) SetResolved(ctx context.Context, l store.Lane, resolved []byte) error {
	return s.metrics.run(ctx, "set_resolved", func() error { return s.Store.SetResolved(ctx, l, resolved) })
}

func (s *metered) Redrive(ctx context.Context, ids []string, now time.Time) (map[string]store.DeliveryState, error) {
	return measure(ctx, s.metrics, "redrive", func() (map[string]store.DeliveryState, error) { return s.Store.Redrive(ctx, ids, now) })
}

func (s *metered) Counts(ctx context.Context) (watches map[store.WatchState]int, deliveries map[store.DeliveryState]int, err error) {
	err = s.metrics.run(ctx, "counts", func() error {
		watches, deliveries, err = s.Store.Counts(ctx)
		return err
	})
	return watches, deliveries, err
}

func (s *metered) OldestDue(ctx context.Context, now time.Time) (time.Time, error) {
	return measure(ctx, s.metrics, "oldest_due", func() (time.Time, error) { return s.Store.OldestDue(ctx, now) })
}

func (s *metered) Purge(ctx context.Context, watches, deliveries time.Time, limit int) (int, error) {
	return measure(ctx, s.metrics, "purge", func() (int, error) { return s.Store.Purge(ctx, watches, deliveries, limit) })
}

func (s *metered) Ping(ctx context.Context) error {
	return s.metrics.run(ctx, "ping", func() error { return s.Store.Ping(ctx) })
}
