package agent

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

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
	took := time.Since(start)
	if err == nil {
		log.DebugContext(ctx, "call", "method", method, "took", took)
		return
	}
	log.WarnContext(ctx, "call failed", "method", method, "code", status.Code(err).String(), "took", took, "error", err)
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
