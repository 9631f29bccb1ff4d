package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"
)

// calls measures what FlytePropeller sees. The rounds of the servers alternate, so that what else
// happens on the machine hits all of them.
func (b *bench) calls(ctx context.Context) error {
	w, err := newWorld(pick(b, 500_000, 50_000))
	if err != nil {
		return err
	}
	defer w.close()
	servers, err := b.servers(ctx, w)
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	if err != nil {
		return err
	}
	for _, callers := range []int{1, 16, 64} {
		if err := b.callsFrom(ctx, servers, callers); err != nil {
			return err
		}
	}
	b.report.note("Calls: one connection, as FlytePropeller has; CPU is the server's own (Postgres's server not included); "+
		"medians of %d rounds that alternate between the servers, after one to warm up. The agent looks at the execution of every task it is given, while it answers and for a while after; CreateTask's CPU holds all of that. "+
		"GetTask (waiting) asks in turn for %d tasks that wait for another execution, whose watches SQLite's engine remembers; GetTask (ended) for as many that ended at once.", b.rounds(), b.asked())
	return nil
}

func (b *bench) rounds() int { return pick(b, 4, 1) }

// asked is for how many tasks GetTask asks.
func (b *bench) asked() int { return pick(b, 1000, 100) }

// servers starts all that are measured side by side.
func (b *bench) servers(ctx context.Context, w *world) (all []*server, err error) {
	for _, e := range b.engines {
		url, err := e.fresh(ctx)
		if err != nil {
			return all, err
		}
		a, err := b.startAgent(ctx, "calls-"+e.column, url, w)
		if err != nil {
			return all, err
		}
		all = append(all, &server{column: e.column, proc: a.process, tasks: a.tasks, stop: a.stop, looks: &w.first})
	}
	s, err := b.serve(ctx, theLimit, func(address, _ string) (string, []string) {
		return os.Args[0], []string{roleLimit, address}
	})
	if err != nil {
		return all, err
	}
	all = append(all, s)
	if _, err := os.Stat(b.python); err != nil {
		b.report.note("flytekit was not measured: %s is not there (`make bench` makes it where there is a Python 3).", b.python)
		return all, b.prepare(ctx, all)
	}
	s, err = b.serve(ctx, thePeer, b.peer)
	if err != nil {
		return all, err
	}
	all = append(all, s)
	return all, b.prepare(ctx, all)
}

// peer is the command line of flytekit's server; it listens for Prometheus as well.
func (b *bench) peer(address, metrics string) (string, []string) {
	return b.python, []string{filepath.Join(filepath.Dir(b.python), "..", "..", "peer.py"), port(address), port(metrics)}
}

// serve starts a server of AsyncAgentService that is not ours.
func (b *bench) serve(ctx context.Context, column string, command func(address, other string) (string, []string)) (*server, error) {
	address, other, err := freeAddresses()
	if err != nil {
		return nil, err
	}
	program, args := command(address, other)
	p, err := start(filepath.Join(b.dir, column+".log"), program, args...)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, p, address)
	if err != nil {
		p.stop()
		return nil, err
	}
	return &server{column: column, proc: p, tasks: service.NewAsyncAgentServiceClient(conn), stop: closing(conn, p)}, nil
}

func closing(conn *grpc.ClientConn, p *process) func() {
	return func() {
		_ = conn.Close() // nothing is under way
		p.stop()
	}
}

func (b *bench) prepare(ctx context.Context, all []*server) error {
	var failures []error
	for _, s := range all {
		failures = append(failures, s.prepare(ctx, b.asked()), s.quiet(ctx))
	}
	return errors.Join(failures...)
}

// kind is a call that is measured.
type kind struct {
	name string
	call func(context.Context, *server, int, time.Duration) (sample, error)
}

func kinds() []kind {
	return []kind{
		{"CreateTask", func(ctx context.Context, s *server, callers int, d time.Duration) (sample, error) {
			return s.creating(ctx, callers, d)
		}},
		{"GetTask (waiting)", func(ctx context.Context, s *server, callers int, d time.Duration) (sample, error) {
			return s.getting(ctx, callers, d, s.metas)
		}},
		{"GetTask (ended)", func(ctx context.Context, s *server, callers int, d time.Duration) (sample, error) {
			return s.getting(ctx, callers, d, s.own)
		}},
	}
}

// callsFrom measures every kind of call from so many callers.
func (b *bench) callsFrom(ctx context.Context, servers []*server, callers int) error {
	for _, k := range kinds() {
		samples := map[string][]sample{}
		for n := range b.rounds() + 1 {
			for _, s := range servers {
				got, err := k.call(ctx, s, callers, pick(b, 600*time.Millisecond, 200*time.Millisecond))
				if err != nil {
					return err
				}
				if n > 0 { // the first one warms up
					samples[s.column] = append(samples[s.column], got)
				}
			}
		}
		b.callRows(k.name, callers, samples)
	}
	return nil
}

// callRows puts the medians into the report, and what they are to the limit and the peer.
func (b *bench) callRows(call string, callers int, samples map[string][]sample) {
	rate, cpu := map[string]float64{}, map[string]float64{}
	for column, all := range samples {
		var rates, costs []float64
		for _, s := range all {
			rates, costs = append(rates, s.perSecond()), append(costs, microseconds(s.cpu)/float64(s.calls))
		}
		rate[column], cpu[column] = median(rates), median(costs)
	}
	what := fmt.Sprintf("%s, %d callers", call, callers)
	b.report.add("calls", what, "1/s", rate)
	b.report.add("calls", what+": CPU", "µs a call", cpu)
	var faster, dearer []must
	if callers == 64 {
		least := map[string]float64{"CreateTask": 3, "GetTask (waiting)": 5, "GetTask (ended)": 5}[call]
		faster = []must{{column: onSQLite, least: least}}
		if call != "CreateTask" {
			dearer = []must{{column: onSQLite, most: 1.5}}
		}
	}
	ours := []string{onSQLite, onPostgres}
	b.ratio(what+": calls of the peer's", rate, thePeer, ours, faster...)
	b.ratio(what+": CPU of the limit's", cpu, theLimit, append(slices.Clone(ours), thePeer), dearer...)
}

// ratio adds a row of how often a figure is that of another column.
func (b *bench) ratio(what string, figures map[string]float64, of string, columns []string, musts ...must) {
	base := figures[of]
	if base == 0 {
		return
	}
	values := map[string]float64{}
	for _, c := range columns {
		if v, ok := figures[c]; ok {
			values[c] = v / base
		}
	}
	b.report.add("calls", what, "times", values, musts...)
}
