package flyte

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flyteorg/flyte/flyteidl/clients/go/admin"
	"github.com/flyteorg/flyte/flyteidl/clients/go/admin/cache"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tokenTimeout bounds one request to a token endpoint and one run of the external command.
const tokenTimeout = 15 * time.Second

// authenticator gets a token by one of flyteidl's flows when flyteadmin first asks for one, and
// again when it refuses the one we have. flyteidl's own interceptor is not used: after one failed
// start it calls a nil token source, it never runs the external command again, and a lost wake-up
// makes its calls wait for good.
type authenticator struct {
	cfg      *admin.Config
	metadata service.AuthMetadataServiceClient
	http     *http.Client
	current  atomic.Pointer[credential]
	renewing singleflight.Group
	tokens   cache.TokenCache // used within renewing only
}

// credential is a source of tokens and the metadata key that they go under.
type credential struct {
	source oauth2.TokenSource
	header string
	last   string // the access token that it started with
}

func newAuthenticator(cfg *admin.Config, metadata service.AuthMetadataServiceClient) *authenticator {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if proxy := cfg.HTTPProxyURL.URL; proxy.Host != "" {
		transport.Proxy = http.ProxyURL(&proxy)
	}
	return &authenticator{
		cfg: cfg, metadata: metadata, tokens: cache.NewTokenCacheInMemoryProvider(),
		http: &http.Client{Transport: transport, Timeout: tokenTimeout},
	}
}

// GetRequestMetadata gives each call its token; none before flyteadmin asked for one.
func (a *authenticator) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	c := a.current.Load()
	if c == nil {
		return nil, nil
	}
	token, err := c.source.Token()
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, "renew token: "+authText(err))
	}
	return map[string]string{c.header: token.Type() + " " + token.AccessToken}, nil
}

// RequireTransportSecurity says whether a token may only travel by TLS.
func (a *authenticator) RequireTransportSecurity() bool { return !a.cfg.UseInsecureConnection }

// intercept repeats a call that flyteadmin refused for want of a token, with a new one.
func (a *authenticator) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	used := a.current.Load()
	err := invoke(ctx, method, req, reply, cc, opts...)
	if status.Code(err) != codes.Unauthenticated {
		return err
	}
	if err := a.renew(ctx, used); err != nil {
		return status.Error(codes.Unauthenticated, "authenticate to flyteadmin: "+authText(err))
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// renew replaces the credential that was refused, once for all calls that wait for it. It goes
// on when the caller gives up: a person may still be signing in.
func (a *authenticator) renew(ctx context.Context, refused *credential) error {
	done := a.renewing.DoChan("", func() (any, error) {
		if a.current.Load() != refused {
			return nil, nil // another call has renewed it already
		}
		return nil, a.authenticate(refused)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *authenticator) authenticate(refused *credential) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("flyteidl's client failed: %v", p)
		}
	}()
	next, err := a.credential()
	if err == nil && refused != nil && next.last == refused.last {
		a.tokens = cache.NewTokenCacheInMemoryProvider() // what it held was refused, whatever its expiry says
		next, err = a.credential()
	}
	if err != nil {
		return err
	}
	a.current.Store(next)
	return nil
}

// credential runs the configured flow.
func (a *authenticator) credential() (*credential, error) {
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, a.http)
	source, err := a.source(ctx)
	if err != nil {
		return nil, err
	}
	token, err := source.Token()
	if err != nil {
		return nil, err
	}
	header := a.cfg.AuthorizationHeader
	if header == "" {
		public, err := a.metadata.GetPublicClientConfig(ctx, &service.PublicClientAuthConfigRequest{})
		if err != nil {
			return nil, fmt.Errorf("ask flyteadmin for its client config: %w", err)
		}
		header = public.GetAuthorizationMetadataKey()
	}
	if header == "" {
		header = admin.DefaultAuthorizationHeader
	}
	return &credential{source: source, header: strings.ToLower(header), last: token.AccessToken}, nil
}

func (a *authenticator) source(ctx context.Context) (oauth2.TokenSource, error) {
	if a.cfg.AuthType == admin.AuthTypeExternalCommand {
		return runCommand(ctx, a.cfg.Command)
	}
	provider, err := admin.NewTokenSourceProvider(ctx, a.cfg, a.tokens, a.metadata)
	if err != nil {
		return nil, err
	}
	return provider.GetTokenSource(ctx)
}

// runCommand runs the external command, which prints a token. flyteidl's own version has no
// time-out.
func runCommand(ctx context.Context, command []string) (oauth2.TokenSource, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output() //nolint:gosec // it is the operator's command
	if err != nil {
		return nil, fmt.Errorf("run command for a token: %w", err)
	}
	token := strings.TrimSpace(string(out))
	if token == "" {
		return nil, errors.New("run command for a token: it printed none")
	}
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token, TokenType: "bearer"}), nil
}

// authText is an error of a token endpoint without the endpoint's answer, which may repeat the
// secret that we sent.
func authText(err error) string {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.Response != nil {
		return fmt.Sprintf("the token endpoint answered %d %s", refused.Response.StatusCode, http.StatusText(refused.Response.StatusCode))
	}
	text, _, _ := strings.Cut(err.Error(), "\nResponse:")
	return text
}
