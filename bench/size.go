package main

import (
	"context"
	"fmt"
	"time"
)

// size measures what watches cost that nothing happens to.
func (b *bench) size(ctx context.Context) error {
	e, ok := b.engine(onSQLite)
	if !ok {
		return nil
	}
	for _, n := range pick(b, []int{0, 100_000, 1_000_000}, []int{0, 10_000}) {
		if err := b.sizeWith(ctx, e, n); err != nil {
			return fmt.Errorf("%d watches: %w", n, err)
		}
	}
	return nil
}

func (b *bench) sizeWith(ctx context.Context, e engine, n int) error {
	w, err := newWorld(max(n, 1))
	if err != nil {
		return err
	}
	defer w.close()
	url, err := e.fresh(ctx)
	if n > 0 {
		url, err = b.filled(ctx, e, w, n)
	}
	if err != nil {
		return err
	}
	begin := time.Now()
	a, err := b.startAgent(ctx, fmt.Sprintf("size-%d", n), url, w)
	if err != nil {
		return err
	}
	defer a.stop()
	serving := time.Since(begin)
	if err := w.whole(ctx, n); err != nil {
		return err
	}
	read := time.Since(begin)
	sleep(ctx, pick(b, 15*time.Second, 3*time.Second))
	c, err := a.cost()
	if err != nil {
		return err
	}
	var small []must
	switch n {
	case 0:
		small = []must{{column: e.column, most: 60}}
	case 1_000_000:
		small = []must{{column: e.column, most: 150}}
	}
	what := fmt.Sprintf("%d watches: ", n)
	value := func(v float64) map[string]float64 { return map[string]float64{e.column: v} }
	b.report.add("size", what+"memory", "MiB", value(c.memory), small...)
	b.report.add("size", what+"start until it takes tasks", "ms", value(milliseconds(serving)))
	if n > 0 {
		b.report.add("size", what+"start until all were asked for", "ms", value(milliseconds(read)))
	}
	return nil
}
