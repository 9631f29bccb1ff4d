package flyte_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/clients/go/admin"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
)

// section decodes an admin section as the server's config does.
func section(t *testing.T, tree map[string]any) flyte.AdminConfig {
	t.Helper()
	var cfg flyte.AdminConfig
	require.Empty(t, strict.Decode(tree, &cfg))
	return cfg
}

func TestAnAdminSectionHasTheDefaultsOfFlyteidlButTwo(t *testing.T) {
	t.Parallel()
	cfg := section(t, map[string]any{"endpoint": "dns:///flyteadmin:81"})
	require.Equal(t, "ClientSecret", cfg.AuthType)
	require.Equal(t, "flytepropeller", cfg.ClientID)
	require.Equal(t, "/etc/secrets/client_secret", cfg.ClientSecretLocation)
	require.Equal(t, strict.Duration(15*time.Second), cfg.PerRetryTimeout)
	require.Equal(t, strict.Duration(10*time.Minute), cfg.DeviceFlowConfig.Timeout)
	require.Zero(t, cfg.MaxRetries)
	require.Equal(t, strict.Duration(2*time.Second), cfg.MaxBackoffDelay)
	require.Equal(t, 20<<20, cfg.MaxMessageSizeBytes)
}

// keys are the json keys of a struct and of the structs in it that have some.
func keys(t reflect.Type, prefix string) map[string]bool {
	all := map[string]bool{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		all[prefix+name] = true
		if f.Type.Kind() == reflect.Struct {
			for k := range keys(f.Type, prefix+name+".") {
				all[k] = true
			}
		}
	}
	return all
}

func TestAnAdminSectionHasFlyteidlsKeys(t *testing.T) {
	t.Parallel()
	require.Equal(t, keys(reflect.TypeFor[admin.Config](), ""), keys(reflect.TypeFor[flyte.AdminConfig](), ""))
}

func TestEveryKeyIsDescribed(t *testing.T) {
	t.Parallel()
	for _, s := range []reflect.Type{reflect.TypeFor[flyte.AdminConfig](), reflect.TypeFor[flyte.PkceConfig](), reflect.TypeFor[flyte.DeviceConfig]()} {
		for f := range s.Fields() {
			require.NotEmpty(t, f.Tag.Get("doc"), f.Name)
		}
	}
}

func TestProblemsOfAnAdminSection(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tree map[string]any
		want []string
	}{
		"fine":                {map[string]any{"endpoint": "dns:///flyte.example.org"}, nil},
		"a bare address":      {map[string]any{"endpoint": "flyteadmin:81"}, nil},
		"an IPv6 address":     {map[string]any{"endpoint": "dns:///[::1]:81"}, nil},
		"a socket":            {map[string]any{"endpoint": "unix:///run/flyteadmin"}, nil},
		"no endpoint":         {map[string]any{}, []string{"endpoint: required"}},
		"an empty endpoint":   {map[string]any{"endpoint": "dns:///"}, []string{"endpoint: must be dns:///host:port"}},
		"a console's address": {map[string]any{"endpoint": "https://flyte.example.org"}, []string{"endpoint: must be dns:///host:port: flyteadmin is reached by gRPC, and `insecure` says whether with TLS"}},
		"a broken endpoint":   {map[string]any{"endpoint": "dns://%zz"}, []string{"endpoint: must be dns:///host:port"}},
		"an unknown key":      {map[string]any{"endpoint": "a:1", "endpiont": "b:1"}, []string{`endpiont: unknown key, did you mean "endpoint"?`}},
		"retries":             {map[string]any{"endpoint": "a:1", "maxRetries": -1}, []string{"maxRetries: must be at least 0, not -1"}},
		"a flow":              {map[string]any{"endpoint": "a:1", "authType": "Magic"}, []string{`authType: must be one of ClientSecret, Pkce, ExternalCommand, DeviceFlow, not "Magic"`}},
		"no command":          {map[string]any{"endpoint": "a:1", "authType": "ExternalCommand"}, []string{"command: required with authType ExternalCommand"}},
		"an empty command":    {map[string]any{"endpoint": "a:1", "authType": "ExternalCommand", "command": []any{""}}, []string{"command: required with authType ExternalCommand"}},
		"a proxy command":     {map[string]any{"endpoint": "a:1", "proxyCommand": []any{""}}, []string{"proxyCommand[0]: must not be empty"}},
		"URLs": {
			map[string]any{"endpoint": "a:1", "tokenUrl": "idp/token", "httpProxyURL": "socks5://x"},
			[]string{"tokenUrl: must be an http or https URL", "httpProxyURL: must be an http or https URL"},
		},
		"a duration": {map[string]any{"endpoint": "a:1", "maxBackoffDelay": "soon"}, []string{`maxBackoffDelay: must be a duration such as 10m, not "soon"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cfg flyte.AdminConfig
			var got []string
			for _, p := range strict.Decode(tc.tree, &cfg) {
				got = append(got, p.String())
			}
			require.ElementsMatch(t, tc.want, got)
		})
	}
}

func TestProblemsOfASectionMadeByHand(t *testing.T) {
	t.Parallel()
	require.Empty(t, flyte.AdminConfig{Endpoint: "a:1"}.Validate())
	problems := flyte.AdminConfig{MaxRetries: -1, AuthType: "Magic"}.Validate()
	require.Len(t, problems, 3)
}
