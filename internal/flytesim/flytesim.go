// Package flytesim is a flyteadmin in memory, over real gRPC, that behaves as the real one was
// measured to: it refuses the filters that one refuses, hides archived rows, stamps updated_at
// before a row becomes visible, pages by offset and lets phases go backwards. Tests, benchmarks
// and the demo watch it; a real FlytePropeller can send its events to it.
//
// Executions are moved from outside with Create, SetPhase, Abort, SetNode, WaitAtGate and Answer, or
// by the events and signals of a propeller. What real users cannot do with flyteadmin (forcing a phase back, a late commit) is
// offered here because real flyteadmins do it by themselves.
package flytesim

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// Server is the simulated flyteadmin. All methods are safe for concurrent use.
type Server struct {
	service.UnimplementedAdminServiceServer

	now         func() time.Time
	onTerminate func(flyte.ExecutionID)
	faults      faults
	auth        *Auth

	mu        sync.RWMutex
	late      time.Duration
	scopes    map[flyte.Scope]*scope
	projects  []*admin.Project
	domains   []string
	signals   map[flyte.ExecutionID][]*admin.Signal
	workflows map[workflowKey]*admin.Workflow
}

// Option changes how a new Server behaves.
type Option func(*Server)

// WithClock makes the server read its time from now instead of time.Now.
func WithClock(now func() time.Time) Option { return func(s *Server) { s.now = now } }

// WithOnTerminate calls f for each TerminateExecution that succeeded, after the execution became
// ABORTING: the place to delete its FlyteWorkflow, as flyteadmin does.
func WithOnTerminate(f func(flyte.ExecutionID)) Option {
	return func(s *Server) { s.onTerminate = f }
}

// New returns a server without executions, projects and workflows.
func New(opts ...Option) *Server {
	s := &Server{
		now:       time.Now,
		scopes:    map[flyte.Scope]*scope{},
		domains:   []string{"development", "staging", "production"},
		signals:   map[flyte.ExecutionID][]*admin.Signal{},
		workflows: map[workflowKey]*admin.Workflow{},
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Register serves the AdminService and the SignalService on g, and with WithAuth the
// AuthMetadataService. Every call passes the counters and the faults first.
func (s *Server) Register(g grpc.ServiceRegistrar) {
	for _, of := range []grpc.ServiceDesc{service.AdminService_ServiceDesc, service.SignalService_ServiceDesc} {
		desc := s.wrap(of, s.auth)
		g.RegisterService(&desc, s)
	}
	if s.auth != nil {
		desc := s.wrap(service.AuthMetadataService_ServiceDesc, nil)
		g.RegisterService(&desc, authMetadata{auth: s.auth})
	}
}

// Start serves on addr ("127.0.0.1:0" for any free port) and returns the endpoint as flyteidl's
// client wants it, "dns:///host:port". stop cuts all connections, as a crash would; a server can
// be started again on the same address and keeps its executions.
func (s *Server) Start(addr string) (endpoint string, stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("listen for simulated flyteadmin: %w", err)
	}
	g := grpc.NewServer()
	s.Register(g)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.Serve(l) // it ends with stop, and has nothing else to tell
	}()
	return "dns:///" + l.Addr().String(), func() { g.Stop(); <-done }, nil
}
