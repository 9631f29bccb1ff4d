package flytesim

import (
	"context"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Auth is how the server demands a token and where it says that clients get one.
type Auth struct {
	// Accept judges the metadata value of a call, "Bearer ...".
	Accept func(authorization string) bool
	// Header is the metadata key that clients are told to use. Default: authorization.
	Header string
	// What the auth metadata service answers: the authorization server's endpoints, and where
	// it sends a browser back to.
	TokenURL     string
	AuthorizeURL string
	DeviceURL    string
	RedirectURL  string
	Scopes       []string
}

// WithAuth makes every call of the AdminService or SignalService without an accepted token Unauthenticated. The
// AuthMetadataService stays open to all, as with flyteadmin.
func WithAuth(a Auth) Option {
	if a.Header == "" {
		a.Header = "authorization"
	}
	return func(s *Server) { s.auth = &a }
}

// check lets a call through or refuses it.
func (a *Auth) check(ctx context.Context) error {
	if a == nil {
		return nil
	}
	for _, value := range metadata.ValueFromIncomingContext(ctx, a.Header) {
		if a.Accept(value) {
			return nil
		}
	}
	return status.Error(codes.Unauthenticated, "token parse error: Request unauthenticated with Bearer")
}

// authMetadata is the AuthMetadataService.
type authMetadata struct {
	service.UnimplementedAuthMetadataServiceServer
	auth *Auth
}

// GetOAuth2Metadata answers where tokens are issued.
func (m authMetadata) GetOAuth2Metadata(context.Context, *service.OAuth2MetadataRequest) (*service.OAuth2MetadataResponse, error) {
	return &service.OAuth2MetadataResponse{
		TokenEndpoint: m.auth.TokenURL, AuthorizationEndpoint: m.auth.AuthorizeURL,
		DeviceAuthorizationEndpoint: m.auth.DeviceURL,
	}, nil
}

// GetPublicClientConfig answers what a client without a secret needs to know.
func (m authMetadata) GetPublicClientConfig(context.Context, *service.PublicClientAuthConfigRequest) (*service.PublicClientAuthConfigResponse, error) {
	return &service.PublicClientAuthConfigResponse{
		ClientId: "flytectl", RedirectUri: m.auth.RedirectURL, Scopes: m.auth.Scopes,
		AuthorizationMetadataKey: m.auth.Header,
	}, nil
}
