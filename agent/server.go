package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/flyte-notifier/flyte-notifier/internal/certs"
)

const (
	// maxMessage lets any task through that FlytePropeller can hand over: a CreateTask refused
	// for its size would burn the user's retries; a spec that is too large is told as such.
	maxMessage = 32 << 20
	stopGrace  = 5 * time.Second // for calls under way when the server stops
	// streamWorkers are goroutines that take one call after the other: a new one's stack grows with
	// each call. Calls beyond them get goroutines of their own.
	streamWorkers = 64
)

// Server is the gRPC server with health and reflection beside the agent's services.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
	quit   func() // no more looks are expected; may be called again
}

// NewServer returns a server of the services. With a TLS config it speaks TLS only.
func NewServer(s *Service, t TLS, log *slog.Logger) (*Server, error) {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(logUnary(log), s.calls.unary, recoverUnary(log)),
		grpc.ChainStreamInterceptor(logStream(log), s.calls.stream, recoverStream(log)),
	}
	options = append(options, tracingOptions(s.Tracer)...)
	if t.Cert != "" {
		config, err := certs.Files(t).Config("server.listen", log, "h2")
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	s.readers = newReaders()
	srv := &Server{grpc: grpc.NewServer(options...), health: health.NewServer()}
	srv.quit = sync.OnceFunc(func() { close(s.readers.quit) })
	s.Register(srv.grpc)
	grpc_health_v1.RegisterHealthServer(srv.grpc, srv.health)
	for name := range srv.grpc.GetServiceInfo() {
		srv.health.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	reflection.Register(srv.grpc)
	return srv, nil
}

// Serve answers on l until ctx ends: health then says NOT_SERVING, no new call is taken, and calls
// under way may finish. It returns nil after such an end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.quit()
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		s.health.Shutdown()
		hard := time.AfterFunc(stopGrace, s.grpc.Stop)
		defer hard.Stop()
		s.grpc.GracefulStop()
	})
	err := s.grpc.Serve(l)
	if stop() {
		return fmt.Errorf("serve gRPC on %s: %w", l.Addr(), err)
	}
	<-done
	return nil
}
