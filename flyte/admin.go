package flyte

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/flyteorg/flyte/flyteidl/clients/go/admin"
	stdconfig "github.com/flyteorg/flyte/flytestdlib/config"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// The ways to get a token, by flyteidl's names.
const (
	authClientSecret    = "ClientSecret"
	authPkce            = "Pkce"
	authExternalCommand = "ExternalCommand"
	authDeviceFlow      = "DeviceFlow"
)

// AdminConfig is flyteidl's own admin section, so that the one of a FlytePropeller can be copied.
// Two defaults are ours: maxRetries is 0, since the feed itself backs off, and maxBackoffDelay is
// short, so that an outage is noticed to be over.
type AdminConfig struct {
	Endpoint               string          `json:"endpoint" required:"true" doc:"flyteadmin's gRPC address, dns:///host:port"`
	Insecure               bool            `json:"insecure" doc:"connect without TLS"`
	InsecureSkipVerify     bool            `json:"insecureSkipVerify" doc:"do not verify the server's certificate"`
	CACertFilePath         string          `json:"caCertFilePath" doc:"file of the certificate authorities to trust, PEM"`
	MaxBackoffDelay        strict.Duration `json:"maxBackoffDelay" default:"2s" doc:"longest wait between attempts to connect"`
	PerRetryTimeout        strict.Duration `json:"perRetryTimeout" default:"15s" doc:"time-out of each attempt, where maxRetries allows several"`
	MaxRetries             int             `json:"maxRetries" default:"0" min:"0" doc:"how often the client itself repeats a failed call"`
	MaxMessageSizeBytes    int             `json:"maxMessageSizeBytes" default:"20971520" min:"1" doc:"largest answer to accept, in bytes"`
	AuthType               string          `json:"authType" enum:"ClientSecret,Pkce,ExternalCommand,DeviceFlow" default:"ClientSecret" doc:"how to get a token, if flyteadmin wants one"`
	TokenRefreshWindow     strict.Duration `json:"tokenRefreshWindow" doc:"longest time between a token's refresh and its expiry"`
	UseAuth                bool            `json:"useAuth" doc:"without effect: whether flyteadmin wants a token is found out"`
	ClientID               string          `json:"clientId" default:"flytepropeller" doc:"OAuth2 client id"`
	ClientSecretLocation   string          `json:"clientSecretLocation" default:"/etc/secrets/client_secret" doc:"file that holds the client secret"`
	ClientSecretEnvVar     string          `json:"clientSecretEnvVar" doc:"environment variable that holds the client secret; goes before the file"`
	Scopes                 []string        `json:"scopes" doc:"OAuth2 scopes; default: those flyteadmin names"`
	UseAudienceFromAdmin   bool            `json:"useAudienceFromAdmin" doc:"use the audience that flyteadmin names"`
	Audience               string          `json:"audience" doc:"OAuth2 audience"`
	AuthorizationServerURL string          `json:"authorizationServerUrl" doc:"without effect: flyteadmin names its authorization server"`
	TokenURL               string          `json:"tokenUrl" doc:"token endpoint; default: the one flyteadmin names"`
	AuthorizationHeader    string          `json:"authorizationHeader" doc:"metadata key of the token; default: the one flyteadmin names"`
	PkceConfig             PkceConfig      `json:"pkceConfig" doc:"details of authType Pkce"`
	DeviceFlowConfig       DeviceConfig    `json:"deviceFlowConfig" doc:"details of authType DeviceFlow"`
	Command                []string        `json:"command" doc:"command that prints a token, for authType ExternalCommand"`
	ProxyCommand           []string        `json:"proxyCommand" doc:"command that prints a token for the header proxy-authorization"`
	DefaultServiceConfig   string          `json:"defaultServiceConfig" doc:"gRPC service config, JSON"`
	HTTPProxyURL           string          `json:"httpProxyURL" doc:"HTTP proxy for requests to the token endpoint"`
}

// PkceConfig is flyteidl's pkceConfig: a person signs in with a browser on this machine.
type PkceConfig struct {
	Timeout     strict.Duration `json:"timeout" default:"2m" doc:"how long to wait for the browser"`
	RefreshTime strict.Duration `json:"refreshTime" default:"5m" doc:"how long before its expiry a token is refreshed"`
}

// DeviceConfig is flyteidl's deviceFlowConfig: a person signs in elsewhere with a code.
type DeviceConfig struct {
	RefreshTime  strict.Duration `json:"refreshTime" default:"5m" doc:"how long before its expiry a token is refreshed"`
	Timeout      strict.Duration `json:"timeout" default:"10m" doc:"how long to wait for the person"`
	PollInterval strict.Duration `json:"pollInterval" default:"5s" doc:"how often to ask whether the person has signed in"`
}

// Validate returns what is wrong with the section, paths relative to it. It reads no file.
func (c AdminConfig) Validate() []notifier.Problem {
	var problems []notifier.Problem
	wrong := func(path, text string) { problems = append(problems, notifier.Problem{Path: path, Text: text}) }
	if text := endpointProblem(c.Endpoint); text != "" {
		wrong("endpoint", text)
	}
	if c.MaxRetries < 0 {
		wrong("maxRetries", "must not be negative")
	}
	types := []string{"", authClientSecret, authPkce, authExternalCommand, authDeviceFlow}
	if !slices.Contains(types, c.AuthType) {
		wrong("authType", "must be one of "+strings.Join(types[1:], ", "))
	}
	if c.AuthType == authExternalCommand && (len(c.Command) == 0 || c.Command[0] == "") {
		wrong("command", "required with authType ExternalCommand")
	}
	if len(c.ProxyCommand) > 0 && c.ProxyCommand[0] == "" {
		wrong("proxyCommand[0]", "must not be empty")
	}
	if c.TokenURL != "" && !isHTTP(c.TokenURL) {
		wrong("tokenUrl", "must be an http or https URL")
	}
	if c.HTTPProxyURL != "" && !isHTTP(c.HTTPProxyURL) {
		wrong("httpProxyURL", "must be an http or https URL")
	}
	return problems
}

func endpointProblem(endpoint string) string {
	const form = "must be dns:///host:port"
	if endpoint == "" {
		return "required"
	}
	u, err := url.Parse(target(endpoint))
	switch {
	case err != nil, u.Host == "" && u.Opaque == "" && strings.Trim(u.Path, "/") == "":
		return form
	case u.Scheme == "http" || u.Scheme == "https":
		return form + ": flyteadmin is reached by gRPC, and `insecure` says whether with TLS"
	}
	return ""
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// target makes a gRPC target of a bare host:port.
func target(endpoint string) string {
	if strings.Contains(endpoint, "://") || strings.HasPrefix(endpoint, "unix:") {
		return endpoint
	}
	return "dns:///" + endpoint
}

// library is the section as flyteidl's client takes it. Its own registered section is not touched.
func (c AdminConfig) library() (*admin.Config, error) {
	authType := admin.AuthTypeClientSecret
	if c.AuthType != "" {
		t, err := admin.AuthTypeString(c.AuthType)
		if err != nil {
			return nil, err
		}
		authType = t
	}
	out := &admin.Config{
		UseInsecureConnection: c.Insecure, InsecureSkipVerify: c.InsecureSkipVerify, CACertFilePath: c.CACertFilePath,
		MaxBackoffDelay: duration(c.MaxBackoffDelay), PerRetryTimeout: duration(c.PerRetryTimeout),
		MaxRetries: c.MaxRetries, MaxMessageSizeBytes: c.MaxMessageSizeBytes,
		AuthType: authType, TokenRefreshWindow: duration(c.TokenRefreshWindow), DeprecatedUseAuth: c.UseAuth,
		ClientID: c.ClientID, ClientSecretLocation: c.ClientSecretLocation, ClientSecretEnvVar: c.ClientSecretEnvVar,
		Scopes: c.Scopes, UseAudienceFromAdmin: c.UseAudienceFromAdmin, Audience: c.Audience,
		DeprecatedAuthorizationServerURL: c.AuthorizationServerURL, TokenURL: c.TokenURL,
		AuthorizationHeader: c.AuthorizationHeader,
		Command:             c.Command, ProxyCommand: c.ProxyCommand, DefaultServiceConfig: c.DefaultServiceConfig,
	}
	out.PkceConfig.BrowserSessionTimeout = duration(c.PkceConfig.Timeout)
	out.PkceConfig.TokenRefreshGracePeriod = duration(c.PkceConfig.RefreshTime)
	out.DeviceFlowConfig.TokenRefreshGracePeriod = duration(c.DeviceFlowConfig.RefreshTime)
	out.DeviceFlowConfig.Timeout = duration(c.DeviceFlowConfig.Timeout)
	out.DeviceFlowConfig.PollInterval = duration(c.DeviceFlowConfig.PollInterval)
	if err := out.Endpoint.Set(target(c.Endpoint)); err != nil {
		return nil, err
	}
	return out, out.HTTPProxyURL.Set(c.HTTPProxyURL)
}

func duration(d strict.Duration) stdconfig.Duration {
	var out stdconfig.Duration
	out.Duration = time.Duration(d)
	return out
}
