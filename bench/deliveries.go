package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// deliveries measures how fast a full outbox empties.
func (b *bench) deliveries(ctx context.Context) error {
	rates := map[string]float64{}
	var failures []error
	for _, e := range b.engines {
		rate, err := b.drain(ctx, e, 1)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", e.column, err))
			continue
		}
		rates[e.column] = rate
	}
	b.report.add("deliveries", "out of a full outbox, 100 channels", "1/s", rates,
		must{column: onSQLite, least: 1000}, must{column: onPostgres, least: 2000})
	return errors.Join(failures...)
}

// drain starts so many servers on an outbox that is full, and returns how many messages a second
// arrived from the first tenth to the last.
func (b *bench) drain(ctx context.Context, e engine, servers int) (perSecond float64, err error) {
	n := pick(b, 30_000, 2000)
	w, err := newWorld(0)
	if err != nil {
		return 0, err
	}
	defer w.close()
	url, err := e.fresh(ctx)
	if err != nil {
		return 0, err
	}
	if err := b.pending(ctx, url, n); err != nil {
		return 0, fmt.Errorf("fill the outbox: %w", err)
	}
	for i := range servers {
		a, err := b.startAgent(ctx, fmt.Sprintf("drain-%s-%d-%d", e.column, servers, i), url, w)
		if err != nil {
			return 0, err
		}
		defer a.stop()
	}
	first, err := w.slack.await(ctx, n/10)
	if err != nil {
		return 0, err
	}
	begun := w.slack.posts.Load()
	last, err := w.slack.await(ctx, n-n/10)
	if err != nil {
		return 0, err
	}
	return float64(w.slack.posts.Load()-begun) / last.Sub(first).Seconds(), nil
}

// await returns when so many messages have come, and the time then.
func (s *slack) await(ctx context.Context, n int) (time.Time, error) {
	const patience = 90 * time.Second
	for begin := time.Now(); s.posts.Load() < int64(n); sleep(ctx, time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return time.Time{}, err
		}
		if time.Since(begin) > patience {
			return time.Time{}, fmt.Errorf("only %d of %d messages came in %s", s.posts.Load(), n, patience)
		}
	}
	return time.Now(), nil
}
