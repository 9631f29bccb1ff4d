package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/delivery"
	"github.com/flyte-notifier/flyte-notifier/hooks"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// purgeEvery is how often old rows are removed, and purgeBatch how many at once: a small batch
// delays no other write. Deliveries that are too many stay for youngest at least: somebody may still wait for their outcome.
const (
	purgeEvery = time.Hour
	purgeBatch = 500
	youngest   = time.Hour
)

// retain removes what is older or more than the config keeps, until ctx ends. Of several servers each does, one
// at a time: the store sees to that, and they mostly do not begin together.
func (s *server) retain(ctx context.Context) error {
	for {
		now := time.Now()
		err := errors.Join(s.purge(ctx, now), s.purgeMost(ctx, now), delivery.PurgeSilences(ctx, s.store, now.Add(-s.retention.Load().Deliveries), now),
			hooks.Purge(ctx, s.store, now))
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "old rows cannot be removed", "error", err)
		}
		t := time.NewTimer(purgeEvery/2 + rand.N(purgeEvery))
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-s.shorter:
		}
		t.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// keep has so many rows kept for so long from now on.
func (s *server) keep(r config.Retention) {
	if before := s.retention.Swap(&r); *before == r {
		return
	}
	select {
	case s.shorter <- struct{}{}:
	default: // it looks soon
	}
}

// purge removes batch after batch. It rests after each as long as that took, so that a long purge,
// as after a shorter retention was set, leaves half of the store's time to others.
func (s *server) purge(ctx context.Context, now time.Time) error {
	for {
		r := s.retention.Load() // it may change meanwhile
		start := time.Now()
		n, err := s.store.Purge(ctx, now.Add(-r.Watches), now.Add(-r.Deliveries), purgeBatch)
		if err != nil || n == 0 {
			return err
		}
		if !sleep(ctx, time.Since(start)) {
			return nil
		}
	}
}

// purgeMost removes the oldest deliveries where there are too many, batch after batch as purge does. It counts before
// each batch: another server may have removed them, and the config may keep more by now.
func (s *server) purgeMost(ctx context.Context, now time.Time) error {
	for {
		r := s.retention.Load()
		if r.Most == 0 {
			return nil
		}
		start := time.Now()
		_, states, err := s.store.Counts(ctx)
		if err != nil {
			return fmt.Errorf("count deliveries: %w", err)
		}
		excess := states[store.Delivered] + states[store.Dead] + states[store.Superseded] + states[store.Silenced] - r.Most
		if excess <= 0 {
			return nil
		}
		n, err := s.store.Purge(ctx, now.Add(-r.Watches), now.Add(-youngest), min(excess, purgeBatch))
		if err != nil || n == 0 {
			return err
		}
		if !sleep(ctx, time.Since(start)) {
			return nil
		}
	}
}

// sleep waits for d. It returns false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
