package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

const (
	// scopes is over how many projects a load is spread.
	scopes = 6
	// mailEvery is of how many executions one is told by mail, too.
	mailEvery = 5
)

// change is what is to be told of an execution.
type change struct {
	phase string
	mail  bool
	at    time.Time
}

// load is executions that begin and end all the time, each under a watch of its own.
type load struct {
	c    *cluster
	work sync.WaitGroup
	halt context.CancelFunc

	mu      sync.Mutex
	changes map[string]change // by execution's name
	errs    []error
}

// load begins so many executions a second.
func (c *cluster) load(perSecond int) *load {
	ctx, halt := context.WithCancel(c.ctx)
	l := &load{c: c, halt: halt, changes: map[string]change{}}
	each(ctx, &l.work, perSecond, l.execution)
	return l
}

// each does something so many times a second, some at once, until ctx ends.
func each(ctx context.Context, work *sync.WaitGroup, perSecond int, do func(i int)) {
	work.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				work.Go(func() { do(i) })
			}
		}
	})
}

// execution begins, is watched, and ends some time after that was acknowledged.
func (l *load) execution(i int) {
	id := flyte.ExecutionID{
		Scope: flyte.Scope{Project: fmt.Sprintf("p%d", i%scopes), Domain: "production"}, Name: fmt.Sprintf("run-%05d", i),
	}
	l.c.flyte.Create(flytesim.Execution{ID: id, Workflow: "train", WorkflowVersion: "v1", User: "alice"})
	l.c.flyte.SetPhase(id, "RUNNING")
	mail := l.c.mails && i%mailEvery == 0
	if _, err := l.c.caller.create(l.c.ctx, id, told(channel(i), mail)); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.errs = append(l.errs, err)
		return
	}
	select {
	case <-time.After(time.Second + rand.N(2*time.Second)): // it runs
	case <-l.c.ctx.Done():
	}
	c := change{phase: []string{"SUCCEEDED", "FAILED"}[i%2], mail: mail, at: time.Now()}
	l.c.flyte.SetPhase(id, c.phase)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes[id.Name] = c
}

// changed returns how many executions have ended since.
func (l *load) changed(since time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.changes {
		if c.at.After(since) {
			n++
		}
	}
	return n
}

// awaitChanges returns when n more executions have ended.
func (l *load) awaitChanges(n int) {
	l.c.t.Helper()
	begun := time.Now()
	l.c.eventually(patience, fmt.Sprintf("%d more executions have ended", n), func() bool { return l.changed(begun) >= n })
}

// end begins no more executions, and returns when each that has begun was acknowledged and has ended.
func (l *load) end() map[string]change {
	l.c.t.Helper()
	l.halt()
	l.work.Wait()
	require.Empty(l.c.t, l.errs)
	return l.changes
}
