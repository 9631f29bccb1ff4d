package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	binary  string
	python  string
	parts   string
	engine  string
	profile string
	json    string
	doc     string
	short   bool
}

// bench is one run.
type bench struct {
	options
	dir     string // for stores, configs and logs; removed at the end
	report  *report
	engines []engine
}

// part is one group of measurements. It puts rows into the report.
type part struct {
	name string
	what string
	run  func(*bench, context.Context) error
}

func parts() []part {
	return []part{
		{"calls", "CreateTask and GetTask", (*bench).calls},
		{"watching", "phase changes: detected, and posted", (*bench).watching},
		{"deliveries", "messages a second out of a full outbox", (*bench).deliveries},
		{"isolation", "one service of five hangs: how late the others' messages are", (*bench).isolation},
		{"size", "memory and start with many watches", (*bench).size},
		{"replicas", "one, two and three servers on one Postgres", (*bench).replicas},
		{"retention", "a store that has run for a year", (*bench).retention},
	}
}

func main() {
	if len(os.Args) > 1 {
		if run, ok := roles()[os.Args[1]]; ok {
			exit(run(os.Args[2:]))
		}
	}
	var o options
	flag.StringVar(&o.binary, "bin", "bin/flyte-notifier", "the built agent")
	flag.StringVar(&o.python, "python", "bench/.venv/bin/python", "a Python that has flytekit's connector server")
	flag.StringVar(&o.parts, "run", "", "regular expression of the parts to run; default: all")
	flag.StringVar(&o.engine, "engine", "", "the only engine to measure, SQLite or Postgres; default: both")
	flag.StringVar(&o.profile, "profile", "", "a folder for profiles of the agents, which then run from this program")
	flag.StringVar(&o.json, "json", "bench/out.json", "where to write the figures as JSON")
	flag.StringVar(&o.doc, "doc", "", "a document to write the table into, between its markers")
	flag.BoolVar(&o.short, "short", false, "smaller and shorter: to see that everything works")
	flag.Usage = usage
	flag.Parse()
	// The callers and the fake flyteadmin live here: they must not take the cores from what is measured.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func usage() {
	fmt.Fprintln(os.Stderr, "go run ./bench [flags]; the parts are:")
	for _, p := range parts() {
		fmt.Fprintf(os.Stderr, "  %-11s %s\n", p.name, p.what)
	}
	flag.PrintDefaults()
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run runs the parts that were asked for. One that fails does not stop the others, and what was
// measured is shown in any case.
func run(ctx context.Context, o options) error {
	wanted, err := regexp.Compile(cmp.Or(o.parts, "."))
	if err != nil {
		return fmt.Errorf("read -run: %w", err)
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return fmt.Errorf("find the agent: %w", err)
	}
	if _, err := os.Stat(o.binary); err != nil {
		return fmt.Errorf("find the agent (`make build` builds it): %w", err)
	}
	dir, err := os.MkdirTemp("", "flyte-notifier-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary folder harms nobody
	b := &bench{options: o, dir: dir, report: newReport(ctx, o)}
	closeEngines, err := b.openEngines(ctx)
	if err != nil {
		return err
	}
	defer closeEngines()
	return errors.Join(b.runParts(ctx, wanted), b.publish())
}

func (b *bench) runParts(ctx context.Context, wanted *regexp.Regexp) error {
	var failures []error
	for _, p := range parts() {
		if !wanted.MatchString(p.name) || ctx.Err() != nil {
			continue
		}
		start := time.Now()
		b.say("%s: %s", p.name, p.what)
		if err := p.run(b, ctx); err != nil {
			b.say("%s failed: %v", p.name, err)
			failures = append(failures, fmt.Errorf("measure %s: %w", p.name, err))
		}
		b.say("%s took %s", p.name, time.Since(start).Round(time.Second))
	}
	return errors.Join(failures...)
}

// publish prints the table and writes the files.
func (b *bench) publish() error {
	b.report.Took = time.Since(b.report.Started).Round(time.Second).String()
	table := b.report.table()
	fmt.Println(table)
	if err := b.report.writeJSON(b.json); err != nil {
		return err
	}
	if b.doc == "" {
		return nil
	}
	return rewrite(b.doc, b.report.heading()+"\n"+table)
}

// say tells whoever waits how far it is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "# "+format+"\n", args...)
}

// pick is the long value, or the short one with -short.
func pick[T any](b *bench, long, short T) T {
	if b.short {
		return short
	}
	return long
}
