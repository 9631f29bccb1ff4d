package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/protobuf/types/known/structpb"
)

// server is one that takes FlytePropeller's calls.
type server struct {
	column string
	proc   *process
	tasks  service.AsyncAgentServiceClient
	stop   func()

	looks *atomic.Int64 // at executions, by an agent; nil for others
	next  int           // the execution whose task is created next
	metas [][]byte      // of waiting tasks
	own   [][]byte      // of tasks that ended at once
}

// sample is what one round of calls came to.
type sample struct {
	calls int
	took  time.Duration
	cpu   time.Duration // of the server
}

func (s sample) perSecond() float64 { return float64(s.calls) / s.took.Seconds() }

// round calls from so many callers for so long, each the next call after the answer to the last:
// on one connection, as FlytePropeller has it.
func (s *server) round(ctx context.Context, callers int, d time.Duration, call func(context.Context, int) error) (sample, error) {
	before, err := s.proc.cost()
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var calls atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(begin) < d && ctx.Err() == nil {
				if err := call(ctx, int(calls.Add(1))-1); err != nil {
					cancel(fmt.Errorf("call %s: %w", s.column, err))
				}
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	if ctx.Err() != nil {
		return sample{}, context.Cause(ctx)
	}
	after, err := s.proc.cost()
	return sample{calls: int(calls.Load()), took: took, cpu: after.cpu - before.cpu}, err
}

// looked is how often an agent has looked at an execution.
func (s *server) looked() int64 {
	if s.looks == nil {
		return 0
	}
	return s.looks.Load()
}

// creating creates a task a call, each of another execution. Its CPU is that until the agent
// has looked at each of them.
func (s *server) creating(ctx context.Context, callers int, d time.Duration) (sample, error) {
	first := s.next
	before, err := s.proc.cost()
	if err != nil {
		return sample{}, err
	}
	looked := s.looked()
	got, err := s.round(ctx, callers, d, func(ctx context.Context, i int) error {
		_, err := s.tasks.CreateTask(ctx, create(first+i, ownSpec(first+i)))
		return err
	})
	const patience = 20 * time.Second
	for begin := time.Now(); err == nil && s.looks != nil && s.looked() < looked+int64(got.calls); sleep(ctx, time.Millisecond) {
		if err = ctx.Err(); err == nil && time.Since(begin) > patience {
			err = fmt.Errorf("%s looked at %d of %d new executions in %s", s.column, s.looked()-looked, got.calls, patience)
		}
	}
	if err != nil {
		return got, err
	}
	s.next += got.calls
	after, err := s.proc.cost()
	got.cpu = after.cpu - before.cpu
	return got, err
}

// getting asks for the tasks in turn.
func (s *server) getting(ctx context.Context, callers int, d time.Duration, metas [][]byte) (sample, error) {
	return s.round(ctx, callers, d, func(ctx context.Context, i int) error {
		_, err := s.tasks.GetTask(ctx, get(metas[i%len(metas)]))
		return err
	})
}

// prepare creates the tasks that are asked for.
func (s *server) prepare(ctx context.Context, n int) error {
	for range n {
		for _, kind := range []struct {
			metas *[][]byte
			spec  *structpb.Struct
		}{{&s.metas, spec(s.next, waiting(s.next))}, {&s.own, ownSpec(s.next)}} {
			meta, err := s.accepted(ctx, create(s.next, kind.spec))
			if err != nil {
				return fmt.Errorf("create a task at %s: %w", s.column, err)
			}
			*kind.metas = append(*kind.metas, meta)
			s.next++
		}
	}
	return nil
}

// accepted creates a task, and makes sure that it was not refused: that would be fast.
func (s *server) accepted(ctx context.Context, r *admin.CreateTaskRequest) (meta []byte, err error) {
	answer, err := s.tasks.CreateTask(ctx, r)
	if err != nil {
		return nil, err
	}
	got, err := s.tasks.GetTask(ctx, get(answer.GetResourceMeta()))
	if err != nil {
		return nil, err
	}
	if got.GetResource().GetPhase() == core.TaskExecution_FAILED {
		return nil, errors.New(got.GetResource().GetMessage())
	}
	return answer.GetResourceMeta(), nil
}

// quiet waits until the server has done what its calls left behind, so that it does not take from
// the next one's round.
func (s *server) quiet(ctx context.Context) error {
	const look, patience = 200 * time.Millisecond, time.Minute
	last, err := s.proc.cost()
	for begin := time.Now(); err == nil && ctx.Err() == nil && time.Since(begin) < patience; {
		sleep(ctx, look)
		now, err := s.proc.cost()
		if err != nil {
			return err
		}
		if now.cpu-last.cpu <= 10*time.Millisecond {
			return nil
		}
		last = now
	}
	return err
}
