package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// retention measures the store itself: an empty one beside one that holds the deliveries of a year.
func (b *bench) retention(ctx context.Context) error {
	var failures []error
	figures := map[int]map[string]yearly{} // by deliveries and column
	for _, e := range b.engines {
		for _, n := range []int{0, b.yearOf(e)} {
			got, err := b.yearly(ctx, e, n)
			if err != nil {
				failures = append(failures, fmt.Errorf("%d deliveries on %s: %w", n, e.column, err))
				continue
			}
			if figures[n] == nil {
				figures[n] = map[string]yearly{}
			}
			figures[n][e.column] = got
		}
	}
	for _, n := range slices.Sorted(maps.Keys(figures)) {
		what := fmt.Sprintf("%d deliveries", n)
		if n == 0 {
			what = "empty store"
		}
		b.yearlyRows(what, figures[n])
	}
	return errors.Join(failures...)
}

// yearOf is how many deliveries an engine is filled with.
func (b *bench) yearOf(e engine) int {
	if e.column == onPostgres {
		return pick(b, 1_000_000, 100_000) // ten times as many take a quarter of an hour to make
	}
	return pick(b, 10_000_000, 100_000)
}

// yearly is what a store was found to do.
type yearly struct {
	registers float64 // a second, from 64 callers
	lives     float64 // deliveries a second, made, begun and settled, from 64 callers
	due       time.Duration
	purged    float64 // rows a second
}

func (b *bench) yearly(ctx context.Context, e engine, deliveries int) (got yearly, err error) {
	w, err := newWorld(2)
	if err != nil {
		return got, err
	}
	defer w.close()
	url, err := e.fresh(ctx)
	if err != nil {
		return got, err
	}
	if err := b.delivered(ctx, e, url, w, deliveries); err != nil {
		return got, err
	}
	s, err := b.openStore(ctx, url)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if got.registers, err = b.parallel(ctx, func(i int) error {
		w, _, err := failure(i)
		if err == nil {
			_, err = s.Register(ctx, w)
		}
		return err
	}); err != nil {
		return got, err
	}
	if got.lives, err = b.parallel(ctx, func(i int) error { return live(ctx, s, i) }); err != nil {
		return got, err
	}
	if got.due, err = b.looks(ctx, s); err != nil {
		return got, err
	}
	if deliveries > 0 {
		got.purged, err = b.purges(ctx, s)
	}
	return got, err
}

// delivered leaves one delivery behind that an agent made, and copies of it.
func (b *bench) delivered(ctx context.Context, e engine, url string, w *world, deliveries int) error {
	if deliveries == 0 {
		return nil
	}
	a, err := b.startAgent(ctx, "delivered-"+e.column, url, w)
	if err != nil {
		return err
	}
	w.fail(0)
	_, err = a.tasks.CreateTask(ctx, create(0, ownSpec(0)))
	if err == nil {
		_, err = w.slack.await(ctx, 1)
	}
	sleep(ctx, time.Second) // until that is recorded
	a.stop()
	if err != nil {
		return err
	}
	begin := time.Now()
	err = e.fill(ctx, url, filling{deliveries: deliveries})
	b.say("%s was filled with %d deliveries in %s", e.column, deliveries, time.Since(begin).Round(time.Second))
	return err
}

// parallel calls from 64 goroutines for a while, and returns how many calls there were a second.
// What a call did is the first of what the next parallel does: i begins at 0 each time.
func (b *bench) parallel(ctx context.Context, call func(i int) error) (perSecond float64, err error) {
	const callers = 64
	n := pick(b, 20_000, 1000)
	var g errgroup.Group
	begin := time.Now()
	for c := range callers {
		g.Go(func() error {
			for i := c; i < n && ctx.Err() == nil; i += callers {
				if err := call(i); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	err = g.Wait()
	return float64(n) / time.Since(begin).Seconds(), err
}

// live is the life of one delivery: made with its transition, begun, settled.
func live(ctx context.Context, s store.Store, i int) error {
	w, d, err := failure(i)
	if err != nil {
		return err
	}
	if w, err = s.Watch(ctx, w.ID); err != nil {
		return err
	}
	now := time.Now().UTC()
	w.Phase, w.State, w.EndedAt = "FAILED", store.Ended, now
	if err := s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}); err != nil {
		return err
	}
	if _, err := s.Begin(ctx, d.ID, 0, now, nil); err != nil {
		return err
	}
	return s.Settle(ctx, d.ID, store.Outcome{
		Attempt: 1, State: store.Delivered, At: now, Event: store.Event{At: now, Kind: "delivered", Text: "slack " + d.Address},
	})
}

// looks is how long the outbox's look at lanes and deliveries takes.
func (b *bench) looks(ctx context.Context, s store.Store) (time.Duration, error) {
	var all []time.Duration
	for range pick(b, 200, 20) {
		begin := time.Now()
		if _, err := s.Lanes(ctx, begin); err != nil {
			return 0, err
		}
		if _, err := s.Due(ctx, store.Lane{Connection: "team-slack", Address: "C00000001"}, begin, 16); err != nil {
			return 0, err
		}
		all = append(all, time.Since(begin))
	}
	return quantile(all, 0.5), nil
}

// purges is how many rows a second go, in the batches of the server.
func (b *bench) purges(ctx context.Context, s store.Store) (float64, error) {
	const month, batch = 30 * 24 * time.Hour, 500
	before := time.Now().Add(-month)
	begin, rows := time.Now(), 0
	for time.Since(begin) < pick(b, 5*time.Second, time.Second) {
		n, err := s.Purge(ctx, before, before, batch)
		if err != nil {
			return 0, err
		}
		if rows += n; n == 0 {
			break
		}
	}
	return float64(rows) / time.Since(begin).Seconds(), nil
}

func (b *bench) yearlyRows(what string, figures map[string]yearly) {
	add := func(measure, unit string, f func(yearly) float64) {
		values := map[string]float64{}
		for column, y := range figures {
			if v := f(y); v > 0 {
				values[column] = v
			}
		}
		if len(values) > 0 {
			b.report.add("retention", what+": "+measure, unit, values)
		}
	}
	add("watches registered, 64 callers", "1/s", func(y yearly) float64 { return y.registers })
	add("deliveries made, begun and settled, 64 callers", "1/s", func(y yearly) float64 { return y.lives })
	add("look at lanes and what is due, p50", "ms", func(y yearly) float64 { return milliseconds(y.due) })
	add("purged", "rows/s", func(y yearly) float64 { return y.purged })
}
