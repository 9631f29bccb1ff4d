package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func TestOverrideOfEveryKindOfKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		variable string
		got      func(*config.Config) any
		want     any
	}{
		{"FLYTE_NOTIFIER__SERVER__LISTEN=:7000", func(c *config.Config) any { return c.Server.Listen }, ":7000"},
		{"flyte_notifier__server__listen=:7000", func(c *config.Config) any { return c.Server.Listen }, ":7000"},
		{"FLYTE_NOTIFIER__SERVER__TLS__CLIENT_CA=123", func(c *config.Config) any { return c.Server.TLS.ClientCA }, "123"},
		{"FLYTE_NOTIFIER__ADMIN__AUTHTYPE=Pkce", func(c *config.Config) any { return c.Admin.AuthType }, "Pkce"},
		{"FLYTE_NOTIFIER__ADMIN__INSECURE=false", func(c *config.Config) any { return c.Admin.Insecure }, false},
		{"FLYTE_NOTIFIER__ADMIN__SCOPES=[a, b]", func(c *config.Config) any { return c.Admin.Scopes }, []string{"a", "b"}},
		{"FLYTE_NOTIFIER__WATCH__INTERVAL=250ms", func(c *config.Config) any { return c.Watch.Interval }, 250 * time.Millisecond},
		{"FLYTE_NOTIFIER__DELIVERY__MAX_ATTEMPTS=4", func(c *config.Config) any { return c.Delivery.MaxAttempts }, 4},
		{"FLYTE_NOTIFIER__DELIVERY={max_age: 1h}", func(c *config.Config) any { return c.Delivery }, config.Delivery{MaxAge: time.Hour, Timeout: 15 * time.Second}},
		{"FLYTE_NOTIFIER__STORE__URL=sqlite://y.db", func(c *config.Config) any { return c.Store.URL.String() }, "sqlite://y.db"},
		{"FLYTE_NOTIFIER__STORE__URL__ENV=NAME", func(c *config.Config) any { return c.Store.URL.String() }, "env:NAME"},
		{"FLYTE_NOTIFIER__STORE={url: 'postgres://u:p@db/x', lock_url: {env: LOCKS}}", func(c *config.Config) any {
			return c.Store.URL.String() + " " + c.Store.LockURL.String()
		}, "postgres://<secret> env:LOCKS"},
		{"FLYTE_NOTIFIER__CONNECTIONS__TEAM_SLACK__SLACK__TOKEN__ENV=OTHER", func(c *config.Config) any {
			return c.Connections["team-slack"].Config.(*chatConfig).Token
		}, notifier.Secret{Env: "OTHER"}},
		{"FLYTE_NOTIFIER__CONNECTIONS__team-slack__RATE__BURST=8", func(c *config.Config) any { return c.Connections["team-slack"].Rate.Burst }, 8},
		{"FLYTE_NOTIFIER__CONNECTIONS__MAIL__ALLOW__SCOPES=[a/b]", func(c *config.Config) any { return c.Connections["mail"].Allow.Scopes }, []string{"a/b"}},
		{"FLYTE_NOTIFIER__DEFAULTS={slack: team-slack}", func(c *config.Config) any { return c.Defaults }, map[string]string{"slack": "team-slack"}},
	}
	for _, tt := range tests {
		t.Run(tt.variable, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, tt.got(parse(t, full, "PATH=/bin", tt.variable, "FLYTE_NOTIFIER_PORT=tcp://10.0.0.1:80")))
		})
	}
}

func TestOverrideOfAnEmptyFile(t *testing.T) {
	t.Parallel()
	c := parse(t, "", "FLYTE_NOTIFIER__ADMIN__ENDPOINT=dns:///flyteadmin:81")
	require.Equal(t, "dns:///flyteadmin:81", c.Admin.Endpoint)
	c = parse(t, minimal, "FLYTE_NOTIFIER__SERVER__LISTEN=:1", "FLYTE_NOTIFIER__SERVER__LISTEN=:2")
	require.Equal(t, ":2", c.Server.Listen, "the last one counts")
}

func TestOverrideLeavesWhatAliasesShare(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal+`
connections:
  a: &shared {slack: {token: {env: A}}, allow: {scopes: [x/y]}}
  b: *shared
`, "FLYTE_NOTIFIER__CONNECTIONS__A__ALLOW__SCOPES=[p/q]")
	require.Equal(t, []string{"p/q"}, c.Connections["a"].Allow.Scopes)
	require.Equal(t, []string{"x/y"}, c.Connections["b"].Allow.Scopes)
}

func TestOverrideRefuses(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"FLYTE_NOTIFIER__SERVER__LISTN=x":                            `server.listn: unknown key, did you mean "listen"? (set by FLYTE_NOTIFIER__SERVER__LISTN)`,
		"FLYTE_NOTIFIER__SEVER__LISTEN=x":                            `sever: unknown key, did you mean "server"? (set by FLYTE_NOTIFIER__SEVER__LISTEN)`,
		"FLYTE_NOTIFIER__SERVER__PODS__X=":                           `server.pods: not supported by this version (set by FLYTE_NOTIFIER__SERVER__PODS__X)`,
		"FLYTE_NOTIFIER__SUBSCRIPTIONS=x":                            `subscriptions: must be a list, not a string (set by FLYTE_NOTIFIER__SUBSCRIPTIONS)`,
		"FLYTE_NOTIFIER__SERVER=x":                                   `server: must be a mapping, not a string (set by FLYTE_NOTIFIER__SERVER)`,
		"FLYTE_NOTIFIER__SERVER__LISTEN__PORT=1":                     `server.listen: must be a string, not a mapping (set by FLYTE_NOTIFIER__SERVER__LISTEN__PORT)`,
		"FLYTE_NOTIFIER__WATCH__INTERVAL=fast":                       `watch.interval: must be a duration such as 10m, not "fast" (set by FLYTE_NOTIFIER__WATCH__INTERVAL)`,
		"FLYTE_NOTIFIER__DELIVERY__MAX_ATTEMPTS=many":                `delivery.max_attempts: must be a whole number, not a string (set by FLYTE_NOTIFIER__DELIVERY__MAX_ATTEMPTS)`,
		"FLYTE_NOTIFIER__ADMIN__SCOPES=[":                            `admin.scopes: read YAML: line 1: did not find expected node content (set by FLYTE_NOTIFIER__ADMIN__SCOPES)`,
		"FLYTE_NOTIFIER__CONNECTIONS__TEAM__SLACK__API_URL=x":        `connections.team: there is no such key (set by FLYTE_NOTIFIER__CONNECTIONS__TEAM__SLACK__API_URL)`,
		"FLYTE_NOTIFIER__CONNECTIONS__MAIL__SENDGRID__KEY=x":         `connections.mail.sendgrid.key: there is no such key (set by FLYTE_NOTIFIER__CONNECTIONS__MAIL__SENDGRID__KEY)`,
		"FLYTE_NOTIFIER__CONNECTIONS__MAIL__ALLOW__DESTINATIONS=#ml": `connections.mail.allow.destinations: must be a list, not a string (set by FLYTE_NOTIFIER__CONNECTIONS__MAIL__ALLOW__DESTINATIONS)`,
		"FLYTE_NOTIFIER__=x":                                         `[""]: there is no such key (set by FLYTE_NOTIFIER__)`,
		"FLYTE_NOTIFIER____LISTEN=x":                                 `[""]: there is no such key (set by FLYTE_NOTIFIER____LISTEN)`,
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, []string{want}, problems(t, full, variable))
		})
	}
}

// Every key of the schema can be overridden: a value of a wrong type is refused at its path, and
// the variable is named.
func TestOverrideReachesEveryKey(t *testing.T) {
	t.Parallel()
	leaves := map[string]string{}
	leavesOf(config.Schema(registry())["properties"].(map[string]any), "", "FLYTE_NOTIFIER", leaves)
	require.Greater(t, len(leaves), 30)
	require.Contains(t, leaves, "store.lock_url")
	for path, name := range leaves {
		found := problems(t, full, name+"={no: such, thing: here}")
		for _, text := range found {
			if strings.HasPrefix(text, path) && strings.HasSuffix(text, "(set by "+name+")") {
				found = nil
				break
			}
		}
		require.Empty(t, found, "no problem at %s", path)
	}
}

// leavesOf gathers the paths of keys that are no mappings, and texts that are free, with the
// variables that override them.
func leavesOf(properties map[string]any, path, name string, leaves map[string]string) {
	for key, value := range properties {
		schema := value.(map[string]any)
		at, variable := strings.TrimPrefix(path+"."+key, "."), name+"__"+strings.ToUpper(key)
		inner, isMapping := schema["properties"].(map[string]any)
		if key == "connections" {
			entry := schema["additionalProperties"].(map[string]any)["properties"].(map[string]any)
			leavesOf(map[string]any{"slack": entry["slack"], "allow": entry["allow"], "rate": entry["rate"]}, "connections.team-slack",
				name+"__CONNECTIONS__TEAM_SLACK", leaves)
			continue
		}
		switch {
		case isMapping:
			leavesOf(inner, at, variable, leaves)
		case schema["type"] != "string" || schema["enum"] != nil || schema["pattern"] != nil:
			leaves[at] = variable
		}
	}
}
