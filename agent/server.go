package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

const (
	// maxMessage lets any task through that FlytePropeller can hand over: a CreateTask refused
	// for its size would burn the user's retries; a spec that is too large is told as such.
	maxMessage = 32 << 20
	stopGrace  = 5 * time.Second // for calls under way when the server stops
)

// Server is the gRPC server with health and reflection beside the agent's services.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
	log    *slog.Logger
}

// NewServer returns a server of the services. With a TLS config it speaks TLS only.
func NewServer(s *Service, t TLS, log *slog.Logger) (*Server, error) {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(logUnary(log), recoverUnary(log)),
		grpc.ChainStreamInterceptor(logStream(log), recoverStream(log)),
	}
	if t.Cert != "" {
		config, err := t.config(log)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	srv := &Server{grpc: grpc.NewServer(options...), health: health.NewServer(), log: log}
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

func logUnary(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		start := time.Now()
		answer, err := next(ctx, req)
		logCall(ctx, log, info.FullMethod, start, err)
		return answer, err
	}
}

func logStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		start := time.Now()
		err := next(srv, stream)
		logCall(stream.Context(), log, info.FullMethod, start, err)
		return err
	}
}

// logCall tells of each call at debug level, and of a failed one always. Specs and inputs are the
// user's: they are not logged.
func logCall(ctx context.Context, log *slog.Logger, method string, start time.Time, err error) {
	level := slog.LevelDebug
	if err != nil {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "call", "method", method, "code", status.Code(err).String(), "took", time.Since(start), "error", err)
}

func recoverUnary(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
		defer func() { err = panicked(ctx, log, info.FullMethod, recover(), err) }()
		return next(ctx, req)
	}
}

func recoverStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		defer func() { err = panicked(stream.Context(), log, info.FullMethod, recover(), err) }()
		return next(srv, stream)
	}
}

// panicked turns a panic into an Internal error, so that one call's mistake ends only that call.
func panicked(ctx context.Context, log *slog.Logger, method string, v any, err error) error {
	if v == nil {
		return err
	}
	log.ErrorContext(ctx, "call panicked", "method", method, "panic", v, "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "the agent failed; its log says how")
}
