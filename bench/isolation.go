package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	services     = 5                     // that messages go to in turn; the last one may hang
	betweenSends = 10 * time.Millisecond // from one message to the next
	inRow        = 20                    // messages to one agent, before the other's turn
	warmUp       = 20                    // turns that are not measured
)

// isolation measures how late messages to four services are while a fifth one answers, and while it hangs: with two
// agents, one of each kind, that are given messages in turn.
func (b *bench) isolation(ctx context.Context) error {
	figures := map[string]isolated{}
	var failures []error
	for _, e := range b.engines {
		got, err := b.isolatedOn(ctx, e)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", e.column, err))
			continue
		}
		figures[e.column] = got
	}
	b.isolationRows(figures)
	return errors.Join(failures...)
}

// isolated are the two sides, when all is over.
type isolated struct{ well, beside side }

func (b *bench) isolationRows(figures map[string]isolated) {
	add := func(measure, unit string, of func(isolated) float64, musts ...must) {
		values := map[string]float64{}
		for column, f := range figures {
			values[column] = of(f)
		}
		b.report.add("isolation", measure, unit, values, musts...)
	}
	late := func(s side, q float64) float64 { return milliseconds(quantile(s.took, q)) }
	add("five services answer: arrived, p50", "ms", func(f isolated) float64 { return late(f.well, 0.5) })
	add("five services answer: arrived, p99", "ms", func(f isolated) float64 { return late(f.well, 0.99) })
	add("five services answer: CPU", "µs a message", func(f isolated) float64 { return f.well.cpu })
	add("one of them hangs: arrived at the others, p50", "ms", func(f isolated) float64 { return late(f.beside, 0.5) })
	add("one of them hangs: arrived at the others, p99", "ms", func(f isolated) float64 { return late(f.beside, 0.99) })
	add("one of them hangs: CPU", "µs a message", func(f isolated) float64 { return f.beside.cpu })
	add("one of them hangs: p99 of that without", "times", func(f isolated) float64 { return late(f.beside, 0.99) / late(f.well, 0.99) },
		must{column: onSQLite, most: 1.2}, must{column: onPostgres, most: 1.2})
	add("one of them hangs: lost at the others", "", func(f isolated) float64 { return float64(f.beside.lost + f.well.lost) },
		must{column: onSQLite, none: true}, must{column: onPostgres, none: true})
	b.report.note("Isolation: two agents, each with five webhooks, get %.0f messages a second over ExecuteTaskSync, %d the one and then %d the other, "+
		"so that what else the machine does falls on both; one of them has a webhook that takes every call and never answers. Arrived: from the call "+
		"to the POST at the other four. CPU: the agent's, for a message to any of the five.", float64(time.Second/betweenSends), inRow, inRow)
}

func (b *bench) isolatedOn(ctx context.Context, e engine) (got isolated, err error) {
	turns := pick(b, 300, 40)
	well, err := b.newSide(ctx, e, false, (turns+warmUp)*inRow)
	if err != nil {
		return got, err
	}
	defer well.close()
	beside, err := b.newSide(ctx, e, true, (turns+warmUp)*inRow)
	if err != nil {
		return got, err
	}
	defer beside.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tick := time.NewTicker(betweenSends)
	defer tick.Stop()
	for i := range warmUp + turns {
		if i == warmUp {
			if err := errors.Join(well.begin(), beside.begin()); err != nil {
				return got, err
			}
		}
		first, second := well, beside
		if i%2 == 1 {
			first, second = second, first
		}
		for _, s := range []*side{first, second} {
			s.turn(ctx, cancel, tick.C)
		}
	}
	well.calls.Wait()
	beside.calls.Wait()
	if ctx.Err() != nil {
		return got, context.Cause(ctx)
	}
	return isolated{*well, *beside}, errors.Join(well.end(ctx), beside.end(ctx))
}

// side is one of two agents that are compared.
type side struct {
	name  string
	world *world
	hooks *hooks
	agent *agent
	tasks service.SyncAgentServiceClient
	calls *sync.WaitGroup
	next  int // the execution that is told of next

	first  int // of those that are measured
	before cost
	sent   map[string]time.Time // to services that answer

	took []time.Duration // from the call to the POST
	cpu  float64         // µs for each message
	lost int
}

// newSide starts an agent on a new store, in a world of so many executions.
func (b *bench) newSide(ctx context.Context, e engine, hangs bool, executions int) (s *side, err error) {
	s = &side{name: fmt.Sprintf("isolation-%s-%t", e.column, hangs), calls: &sync.WaitGroup{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.world, err = newWorld(executions); err != nil {
		return nil, err
	}
	if s.hooks, err = newHooks(services, hangs); err != nil {
		return nil, err
	}
	if s.world.connections, err = s.hooks.connections(b.dir); err != nil {
		return nil, err
	}
	url, err := e.fresh(ctx)
	if err != nil {
		return nil, err
	}
	if s.agent, err = b.startAgent(ctx, s.name, url, s.world); err != nil {
		return nil, err
	}
	s.tasks = service.NewSyncAgentServiceClient(s.agent.conn)
	return s, nil
}

func (s *side) close() {
	if s.agent != nil {
		s.agent.stop()
	}
	if s.hooks != nil {
		s.hooks.close()
	}
	if s.world != nil {
		s.world.close()
	}
}

// begin forgets what was sent to warm up.
func (s *side) begin() (err error) {
	s.first, s.sent = s.next, map[string]time.Time{}
	s.before, err = s.agent.cost()
	return err
}

// turn sends some messages, to the services in turn, one each tick, whether earlier ones arrived or not.
func (s *side) turn(ctx context.Context, cancel context.CancelCauseFunc, tick <-chan time.Time) {
	for range inRow {
		select {
		case <-tick:
		case <-ctx.Done():
			return
		}
		i, to := s.next, s.next%services
		s.next++
		if s.sent != nil && to < services-1 {
			s.sent[name(i)] = time.Now()
		}
		s.calls.Go(func() {
			if err := s.send(ctx, i, to); err != nil && ctx.Err() == nil && !s.gaveUp(to, err) {
				cancel(fmt.Errorf("send %s a message: %w", s.name, err))
			}
		})
	}
}

// end sees what arrived, and when.
func (s *side) end(ctx context.Context) error {
	after, err := s.agent.cost()
	if err != nil {
		return err
	}
	s.cpu = microseconds(after.cpu-s.before.cpu) / float64(s.next-s.first)
	s.lost = s.hooks.await(ctx, slices.Collect(maps.Keys(s.sent)))
	for name, begin := range s.sent {
		if at, ok := s.hooks.arrived(name); ok {
			s.took = append(s.took, at.Sub(begin))
		}
	}
	return nil
}

// gaveUp says whether the call was one for the service that may hang, and had too little time on a busy machine.
func (s *side) gaveUp(to int, err error) bool {
	return to == services-1 && status.Code(err) == codes.DeadlineExceeded
}

// send tells a service of the i-th execution. The agent answers at the latest half a second before the call's time is
// over, sent or not: calls for the service that may hang have little.
func (s *side) send(ctx context.Context, i, to int) error {
	custom, err := structpb.NewStruct(object{
		"send":    list{object{"webhook": object{"connection": fmt.Sprintf("hook-%d", to)}}},
		"message": object{"title": "{{.Name}}: the model is trained"},
	})
	if err != nil {
		return err
	}
	patience := 20 * time.Second
	if to == services-1 {
		patience = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stream, err := s.tasks.ExecuteTaskSync(ctx)
	if err != nil {
		return err
	}
	task := create(i, custom)
	task.Template.Type = "notification_send"
	header := &admin.CreateRequestHeader{Template: task.GetTemplate(), OutputPrefix: task.GetOutputPrefix(), TaskExecutionMetadata: task.GetTaskExecutionMetadata()}
	if err := stream.Send(&admin.ExecuteTaskSyncRequest{Part: &admin.ExecuteTaskSyncRequest_Header{Header: header}}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	if r := answer.GetHeader().GetResource(); r.GetPhase() != core.TaskExecution_SUCCEEDED {
		return fmt.Errorf("it is %s: %s", r.GetPhase(), r.GetMessage())
	}
	return nil
}
