package agent

import (
	"log/slog"
	"sync/atomic"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// The task types that the agent executes.
const (
	TypeNotification = "notification"      // register, or wait
	TypeSend         = "notification_send" // send now
)

// maxName bounds how much of a caller's text is repeated to it, in bytes.
const maxName = 100

// Options are what a Service is made of. All are required but Metrics and Tracer. Connections and
// AllowCrossProject hold until Reload.
type Options struct {
	Store             store.Registry
	Registry          *notifier.Registry
	Connections       *notifier.Connections
	AllowCrossProject bool
	Registered        func(store.Watch) // called with a watch after it was stored; must not block
	Log               *slog.Logger
	Metrics           prometheus.Registerer // nil: nobody asks for them
	Tracer            trace.TracerProvider  // nil: nothing is traced
}

// Service implements flyteidl's three agent services.
type Service struct {
	service.UnimplementedAsyncAgentServiceServer
	service.UnimplementedSyncAgentServiceServer
	service.UnimplementedAgentMetadataServiceServer
	Options
	calls   *calls
	specs   atomic.Pointer[specs]
	readers readers // of the server that serves it
}

// New returns a service over a store.
func New(o Options) *Service {
	s := &Service{Options: o, calls: newCalls(o.Metrics)}
	s.Reload(o.Connections, o.AllowCrossProject)
	return s
}

// Reload lets the tasks that come from now on be judged by these connections, and by whether they may watch
// executions of other projects. It may be called at any time; a task under way is judged by what was before.
func (s *Service) Reload(c *notifier.Connections, allowCrossProject bool) {
	s.specs.Store(newSpecs(s.Registry, c, allowCrossProject))
}

// Register adds the three services to a gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	service.RegisterAsyncAgentServiceServer(r, s)
	service.RegisterSyncAgentServiceServer(r, s)
	service.RegisterAgentMetadataServiceServer(r, s)
}
