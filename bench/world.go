package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// scope is where all executions are: one large scope is the harder case.
var scope = flyte.Scope{Project: "ml", Domain: "production"}

// name is that of the i-th execution. Their length is that of Flyte's own.
func name(i int) string { return fmt.Sprintf("%s%018d", namePrefix, i) }

const namePrefix = "bx"

func execution(i int) flyte.ExecutionID { return flyte.ExecutionID{Scope: scope, Name: name(i)} }

func identifier(i int) *core.WorkflowExecutionIdentifier {
	return &core.WorkflowExecutionIdentifier{Project: scope.Project, Domain: scope.Domain, Name: name(i)}
}

// change is one phase change on its way.
type change struct {
	phase   string
	changed time.Time // when flyteadmin wrote it
	seen    time.Time // when its answer that carries the change left
	posted  time.Time // when the message arrived
}

// world is what is around the agent: a simulated flyteadmin, and a service that takes messages.
type world struct {
	admin    *flytesim.Server
	endpoint string
	slack    *slack
	server   *grpc.Server

	connections string // more of the config, lines of YAML

	lists, gets atomic.Int64 // calls
	names       atomic.Int64 // that lists were asked for
	first       atomic.Int64 // those among them that lists without a time filter asked for: first looks, mostly

	mu      sync.Mutex
	changes map[string]*change // by the execution's name
}

// newWorld makes a world of n running executions.
func newWorld(n int) (*world, error) {
	w := &world{changes: map[string]*change{}}
	// All of it happened an hour ago: nothing of it is news to who asks for changes.
	var late time.Duration
	w.admin = flytesim.New(flytesim.WithClock(func() time.Time { return time.Now().Add(-late) }))
	late = time.Hour
	for i := range n {
		w.admin.Create(flytesim.Execution{
			ID: execution(i), Workflow: "train", WorkflowVersion: "v1", User: "ada", Labels: map[string]string{"team": "ml"},
		})
		w.admin.SetPhase(execution(i), "RUNNING")
	}
	late = 0
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for flyteadmin: %w", err)
	}
	w.endpoint = "dns:///" + l.Addr().String()
	w.server = grpc.NewServer(grpc.UnaryInterceptor(w.observe))
	w.admin.Register(w.server)
	go func() { _ = w.server.Serve(l) }() // it ends with close
	if w.slack, err = newSlack(w.posted); err != nil {
		w.server.Stop()
		return nil, err
	}
	return w, nil
}

func (w *world) close() {
	w.server.Stop()
	w.slack.close()
}

// observe counts calls and sees which answers carry a change.
func (w *world) observe(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	answer, err := next(ctx, req)
	switch a := answer.(type) {
	case *admin.ExecutionList:
		w.lists.Add(1)
		if list, ok := req.(*admin.ResourceListRequest); ok {
			n := int64(asked(list.GetFilters()))
			w.names.Add(n)
			if !strings.Contains(list.GetFilters(), "updated_at") {
				w.first.Add(n)
			}
		}
		w.see(a.GetExecutions()...)
	case *admin.Execution:
		w.gets.Add(1)
		w.see(a)
	}
	return answer, err
}

// asked is how many names a filter holds: they are its first list.
func asked(filters string) int {
	names, _, _ := strings.Cut(filters, ")")
	return strings.Count(names, ";") + 1
}

func (w *world) see(all ...*admin.Execution) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range all {
		c := w.changes[x.GetId().GetName()]
		if c != nil && c.seen.IsZero() && c.phase == x.GetClosure().GetPhase().String() {
			c.seen = now
		}
	}
}

// posted takes the name of the execution that a message is about.
func (w *world) posted(name string) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.changes[name]; c != nil && c.posted.IsZero() {
		c.posted = now
	}
}

// fail makes the i-th execution fail, and follows what becomes of that.
func (w *world) fail(i int) {
	c := &change{phase: "FAILED", changed: time.Now()}
	w.mu.Lock()
	w.changes[name(i)] = c
	w.mu.Unlock()
	w.admin.SetPhase(execution(i), c.phase, flytesim.Error("USER", "OutOfMemory", "the container was killed: it used more than 8Gi of memory"))
}

// latencies are how long it took each change to be seen, and from there to be posted; lost is how
// many were not seen, or not posted although they were.
func (w *world) latencies() (seen, posted []time.Duration, lost int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.changes {
		switch {
		case c.seen.IsZero():
			lost++
		case c.posted.IsZero():
			lost++
			seen = append(seen, c.seen.Sub(c.changed))
		default:
			seen, posted = append(seen, c.seen.Sub(c.changed)), append(posted, c.posted.Sub(c.seen))
		}
	}
	return seen, posted, lost
}
