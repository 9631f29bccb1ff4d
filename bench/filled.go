package main

import (
	"context"
	"fmt"
	"time"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// filled returns the URL of a store with n watches of running executions that an agent has looked
// at, and in which no agent runs.
func (b *bench) filled(ctx context.Context, e engine, w *world, n int) (url string, err error) {
	if url, err = e.fresh(ctx); err != nil {
		return "", err
	}
	a, err := b.startAgent(ctx, "first-"+e.column, url, w)
	if err != nil {
		return "", err
	}
	s := &server{column: e.column, proc: a.process, tasks: a.tasks}
	first := w.first.Load()
	_, err = a.tasks.CreateTask(ctx, create(0, ownSpec(0)))
	for begin := time.Now(); err == nil && w.first.Load() == first; sleep(ctx, 20*time.Millisecond) {
		if err = ctx.Err(); time.Since(begin) > 20*time.Second {
			err = fmt.Errorf("the agent never looked at its first watch: %s", a.lastWords())
		}
	}
	if err == nil {
		err = s.quiet(ctx)
	}
	a.stop()
	if err != nil {
		return "", err
	}
	begin := time.Now()
	if err := e.fill(ctx, url, filling{watches: n}); err != nil {
		return "", err
	}
	w.names.Store(0)
	if took := time.Since(begin); took > 5*time.Second {
		b.say("%s was filled with %d watches in %s", e.column, n, took.Round(time.Second))
	}
	return url, nil
}

// slower makes every call take longer.
func (w *world) slower(d time.Duration) {
	w.admin.SetFault(flytesim.All, flytesim.Fault{Latency: d})
}

// whole returns when agents have asked for n names since the count was begun.
func (w *world) whole(ctx context.Context, n int) error {
	const patience = 2 * time.Minute
	for begin := time.Now(); w.names.Load() < int64(n); sleep(ctx, 20*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("only %d of %d names were asked for in %s", w.names.Load(), n, patience)
		}
	}
	return nil
}
