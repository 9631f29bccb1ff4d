package main

import (
	"context"
	"errors"
	"fmt"
)

// replicas measures servers that share a Postgres. On one machine they share its CPUs as well: what
// counts is that nothing gets worse.
func (b *bench) replicas(ctx context.Context) error {
	e, ok := b.engine(onPostgres)
	if !ok {
		return nil
	}
	var failures []error
	for _, servers := range []int{1, 2, 3} {
		if err := b.replicated(ctx, e, servers); err != nil {
			failures = append(failures, fmt.Errorf("%d servers: %w", servers, err))
		}
	}
	return errors.Join(failures...)
}

func (b *bench) replicated(ctx context.Context, e engine, servers int) error {
	n := pick(b, 10_000, 1000)
	got, err := b.watchedByMany(ctx, e, n, servers)
	if err != nil {
		return err
	}
	rate, err := b.drain(ctx, e, servers)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d servers, %d watches: ", servers, n)
	add := func(measure, unit string, v float64) {
		b.report.add("replicas", what+measure, unit, map[string]float64{e.column: v})
	}
	add("detected, p50", "ms", milliseconds(quantile(got.seen, 0.5)))
	add("detected, p99", "ms", milliseconds(quantile(got.seen, 0.99)))
	add("posted, p99", "ms", milliseconds(quantile(got.posted, 0.99)))
	add("changes lost", "", float64(got.lost))
	add("calls to flyteadmin to look, together", "1/s", got.callsPerSec-got.gets)
	add("CPU, together", "% of a core", got.core)
	b.report.add("replicas", fmt.Sprintf("%d servers: out of a full outbox, 100 channels", servers), "1/s", map[string]float64{e.column: rate})
	return nil
}

func (b *bench) watchedByMany(ctx context.Context, e engine, n, servers int) (watched, error) {
	w, err := newWorld(n)
	if err != nil {
		return watched{}, err
	}
	defer w.close()
	url, err := b.filled(ctx, e, w, n)
	if err != nil {
		return watched{}, err
	}
	var all []*process
	for i := range servers {
		a, err := b.startAgent(ctx, fmt.Sprintf("replica-%d-%d", servers, i), url, w)
		if err != nil {
			return watched{}, err
		}
		defer a.stop()
		all = append(all, a.process)
	}
	if err := w.whole(ctx, n); err != nil {
		return watched{}, err
	}
	return b.watch(ctx, w, n, all...)
}
