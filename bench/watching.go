package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// watching measures how long a phase change takes to be seen and to be posted, and what it costs to
// look: with many watches, and beside somebody who asks for each execution alone.
func (b *bench) watching(ctx context.Context) error {
	var failures []error
	for _, n := range pick(b, []int{1000, 10_000, 100_000, 300_000}, []int{1000, 10_000}) {
		figures := map[string]watched{}
		for _, e := range b.engines {
			if e.column == onPostgres && (n < 10_000 || n > 100_000) {
				continue // it is no different there, and takes its time to fill
			}
			got, err := b.watchedBy(ctx, e, n)
			if err != nil {
				failures = append(failures, fmt.Errorf("%d watches on %s: %w", n, e.column, err))
				continue
			}
			figures[e.column] = got
		}
		if n <= 10_000 {
			got, err := b.watchedAlone(ctx, n)
			if err != nil {
				failures = append(failures, fmt.Errorf("%d executions alone: %w", n, err))
			} else {
				figures[theLoner] = got
			}
		}
		b.watchingRows(n, figures)
	}
	b.report.note("Watching: interval 2 s; %.0f executions a second fail (fewer where there are few), each fires a rule whose message is posted. "+
		"Detected: from flyteadmin's write to its answer that carries it. Posted: from that answer to the POST. "+
		"Each alone: a Go loop of GetExecution, each execution every 5 s. With 300,000 watches every call to flyteadmin takes 2 ms longer than the simulation.", changesPerSecond)
	return errors.Join(failures...)
}

// watched is what watching came to.
type watched struct {
	seen, posted []time.Duration
	lost         int
	callsPerSec  float64
	gets         float64 // of those calls, a second
	core         float64 // percent of one
	memory       float64 // MiB
}

// changesPerSecond is how many executions fail in a second, at most.
const changesPerSecond = 10.0

// watchedBy measures an agent.
func (b *bench) watchedBy(ctx context.Context, e engine, n int) (watched, error) {
	w, err := newWorld(n)
	if err != nil {
		return watched{}, err
	}
	defer w.close()
	url, err := b.filled(ctx, e, w, n)
	if err != nil {
		return watched{}, err
	}
	if n > 100_000 {
		w.slower(2 * time.Millisecond)
	}
	a, err := b.startAgent(ctx, fmt.Sprintf("watching-%s-%d", e.column, n), url, w)
	if err != nil {
		return watched{}, err
	}
	defer a.stop()
	if err := w.whole(ctx, n); err != nil {
		return watched{}, err
	}
	return b.watch(ctx, w, n, a.process)
}

// watchedAlone measures the loner.
func (b *bench) watchedAlone(ctx context.Context, n int) (watched, error) {
	w, err := newWorld(n)
	if err != nil {
		return watched{}, err
	}
	defer w.close()
	p, err := start(filepath.Join(b.dir, "loner.log"), os.Args[0], roleLoner, strings.TrimPrefix(w.endpoint, "dns:///"), strconv.Itoa(n))
	if err != nil {
		return watched{}, err
	}
	defer p.stop()
	sleep(ctx, 6*time.Second) // one round of it
	return b.watch(ctx, w, n, p)
}

// watch lets executions fail for a while and returns what became of it.
func (b *bench) watch(ctx context.Context, w *world, n int, procs ...*process) (got watched, err error) {
	long := pick(b, 16*time.Second, 5*time.Second)
	perSecond := min(changesPerSecond, 0.8*float64(n)/long.Seconds())
	sleep(ctx, 3*time.Second) // two rounds without changes
	before, err := total(procs)
	if err != nil {
		return got, err
	}
	lists, gets, begin := w.lists.Load(), w.gets.Load(), time.Now()
	for i := 0; time.Since(begin) < long && ctx.Err() == nil; i++ {
		// Never in step with the rounds.
		sleep(ctx, time.Until(begin.Add(time.Duration(float64(i)/perSecond*float64(time.Second)))))
		w.fail(i * 7919 % n) // all over the names
	}
	took := time.Since(begin)
	after, err := total(procs)
	if err != nil {
		return got, err
	}
	lists, gets = w.lists.Load()-lists, w.gets.Load()-gets
	sleep(ctx, 7*time.Second) // until the last change was seen and posted
	got.seen, got.posted, got.lost = w.latencies()
	got.callsPerSec, got.gets = float64(lists+gets)/took.Seconds(), float64(gets)/took.Seconds()
	got.core, got.memory = 100*(after.cpu-before.cpu).Seconds()/took.Seconds(), after.memory
	return got, ctx.Err()
}

func total(procs []*process) (all cost, err error) {
	for _, p := range procs {
		c, err := p.cost()
		if err != nil {
			return all, err
		}
		all.cpu += c.cpu
		all.memory += c.memory
	}
	return all, nil
}

func (b *bench) watchingRows(n int, figures map[string]watched) {
	each := func(f func(watched) float64) map[string]float64 {
		values := map[string]float64{}
		for column, w := range figures {
			values[column] = f(w)
		}
		return values
	}
	ours := each(func(w watched) float64 { return milliseconds(quantile(w.posted, 0.99)) })
	delete(ours, theLoner)
	half := each(func(w watched) float64 { return milliseconds(quantile(w.posted, 0.5)) })
	delete(half, theLoner)
	lost := each(func(w watched) float64 { return float64(w.lost) })
	delete(lost, theLoner) // it posts nothing
	var soon, few, cheap, small, prompt []must
	if n == 10_000 || n == 300_000 {
		soon = []must{{column: onSQLite, most: 2100}}
	}
	if n == 10_000 {
		few, cheap, small = []must{{column: onSQLite, most: 60}}, []must{{column: onSQLite, most: 5}}, []must{{column: onSQLite, most: 60}}
		prompt = []must{{column: onSQLite, most: 50}, {column: onPostgres, most: 50}}
	}
	what := fmt.Sprintf("%d watches: ", n)
	add := func(measure, unit string, values map[string]float64, musts ...must) {
		b.report.add("watching", what+measure, unit, values, musts...)
	}
	add("detected, p50", "ms", each(func(w watched) float64 { return milliseconds(quantile(w.seen, 0.5)) }))
	add("detected, p99", "ms", each(func(w watched) float64 { return milliseconds(quantile(w.seen, 0.99)) }), soon...)
	add("posted, p50", "ms", half)
	add("posted, p99", "ms", ours, prompt...)
	add("changes lost", "", lost, must{column: onSQLite, none: true}, must{column: onPostgres, none: true})
	add("calls to flyteadmin", "1/s", each(func(w watched) float64 { return w.callsPerSec }), few...)
	add("of these for facts", "1/s", each(func(w watched) float64 { return w.gets }))
	add("CPU", "% of a core", each(func(w watched) float64 { return w.core }), cheap...)
	add("memory", "MiB", each(func(w watched) float64 { return w.memory }), small...)
}
