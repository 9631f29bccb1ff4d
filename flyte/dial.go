package flyte

import (
	"context"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/clients/go/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	stdconfig "github.com/flyteorg/flyte/flytestdlib/config"
	"github.com/flyteorg/flyte/flytestdlib/logger"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// ConfigError is an admin section that cannot be used.
type ConfigError struct{ Problems []notifier.Problem }

// Error names the first problem.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("admin section: %s", e.Problems[0])
}

// Dial returns a client for the flyteadmin of cfg. It does not connect: a flyteadmin that cannot
// be reached is an error of the calls, each of which tries anew. An error means a section that
// can never work: a *ConfigError, an unreadable certificate file, a malformed service config.
// consoleURL is where the console is ("https://flyte.example.org/console"), or empty.
func Dial(ctx context.Context, cfg AdminConfig, consoleURL string, options ...grpc.DialOption) (*Client, error) {
	if problems := cfg.Validate(); len(problems) > 0 {
		return nil, &ConfigError{Problems: problems}
	}
	lib, err := cfg.library()
	if err != nil {
		return nil, fmt.Errorf("read admin section: %w", err)
	}
	silenceLibrary()
	metadata, err := connect(ctx, lib)
	if err != nil {
		return nil, fmt.Errorf("dial flyteadmin: %w", err)
	}
	auth := newAuthenticator(lib, service.NewAuthMetadataServiceClient(metadata))
	options = append(options, grpc.WithChainUnaryInterceptor(auth.intercept), grpc.WithPerRPCCredentials(auth))
	conn, err := connect(ctx, lib, options...)
	if err != nil {
		_ = metadata.Close() // it never connected
		return nil, fmt.Errorf("dial flyteadmin: %w", err)
	}
	c := New(conn, consoleURL)
	c.conns = []*grpc.ClientConn{conn, metadata}
	return c, nil
}

// connect makes a connection as flyteidl's client does, which panics on some configurations.
func connect(ctx context.Context, cfg *admin.Config, opts ...grpc.DialOption) (conn *grpc.ClientConn, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("flyteidl's client refused the admin section: %v", p)
		}
	}()
	// The library's service config goes only with its own interceptor, which we do not use.
	if cfg.DefaultServiceConfig != "" {
		opts = append(opts, grpc.WithDefaultServiceConfig(cfg.DefaultServiceConfig))
	}
	opts = append(opts,
		grpc.WithUserAgent("flyte-notifier"),
		grpc.WithChainUnaryInterceptor(bounded),
		// Pings are rarer than calls last, since servers punish them; what counts is that they
		// switch on the kernel's time-out for unanswered bytes, so that a dead peer is noticed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 15 * time.Second}),
	)
	return admin.NewAdminConnection(ctx, cfg, admin.NewPerRPCCredentialsFuture(), opts...)
}

// callTimeout bounds calls whose context does not.
const callTimeout = 15 * time.Second

// bounded keeps every call from hanging with a server that hangs.
func bounded(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return invoke(ctx, method, req, reply, cc, opts...)
}

// silenceLibrary stops flyteidl's client from logging by itself: it writes answers of token
// endpoints to the standard error. What it has to say comes back as errors.
func silenceLibrary() {
	if section := stdconfig.GetSection("logger"); section != nil {
		_ = section.SetConfig(&logger.Config{Mute: true}) // fails only for what is no pointer
	}
}
