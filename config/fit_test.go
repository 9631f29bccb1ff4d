package config_test

import (
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

// services reads a config for the notifiers that there are.
func services(t *testing.T, doc string) (*config.Config, []string) {
	t.Helper()
	c, found := config.Parse([]byte(minimal+doc), nil, builtin.Registry(io.Discard))
	return c, texts(found)
}

// What neither the notifier's keys nor the allow list say alone.
func TestConnectionsAreJudgedWithTheirAllowList(t *testing.T) {
	t.Parallel()
	_, found := services(t, `
connections:
  anywhere: {webhook: {headers: {X-Token: {env: A}}}, allow: {scopes: [ml/*]}}
  broken: {webhook: {signing_secret: {env: A}, format: x}}
  hosts: {webhook: {headers: {X-Token: {env: A}}}, allow: {destinations: [hooks.example.org]}}
  own: {webhook: {url: {env: A}, signing_secret: {env: B}}}
  signed: {webhook: {signing_secret: {env: A}}}
`)
	require.Len(t, found, 3)
	require.Contains(t, found[0], "connections.anywhere.allow.destinations: required: the connection has headers or a signing_secret and no url")
	require.Contains(t, found[1], "connections.broken.webhook.format: must be one of")
	require.Contains(t, found[2], "connections.signed.allow.destinations: required")
}

// A subscription's destinations are judged by the connections of the file, without their secrets.
func TestDestinationsAreJudgedByTheirConnection(t *testing.T) {
	t.Parallel()
	const connections = `
connections:
  own: {webhook: {url: {env: A}}}
  open: {webhook: {}, allow: {destinations: ["*.example.org"]}}
subscriptions:
  - {name: all, match: {project: "*", domain: production}, rules: [{name: a, when: {phase: [FAILED]}, send: [`
	for send, want := range map[string]string{
		"{webhook: {connection: own}}":                                          "",
		"{webhook: {connection: open, url: 'https://a.example.org/{{.Name}}'}}": "",
		"{webhook: {connection: open, url: https://a.example.org}}":             "",
		"{webhook: {connection: own, url: https://a.example.org}}":              "webhook.url: must not be given: the connection has one",
		"{webhook: {connection: open}}":                                         "webhook.url: required: the connection has none",
		"{webhook: {connection: open, url: https://A.example.net:80/x}}":        "webhook.url: the connection does not allow destination a.example.net",
		"{webhook: {connection: open, url: https://u@a.example.org/}}":          "webhook.url: must have no user or password",
		"{webhook: {connection: own, body: x}}":                                 "webhook.body: must not be given: the connection's format is not template",
	} {
		_, found := services(t, connections+send+"]}]}\n")
		if want == "" {
			require.Empty(t, found, send)
			continue
		}
		require.Equal(t, []string{"subscriptions[0].rules[0].send[0]." + want}, found, send)
	}
}

func TestBuildFindsSecretsWithinMaps(t *testing.T) {
	t.Parallel()
	key := write(t, "key", "a")
	c, found := services(t, `
connections:
  a: {webhook: {url: {env: FLYTE_NOTIFIER_TEST_UNSET}, headers: {X-B: {env: FLYTE_NOTIFIER_TEST_UNSET}, X-A: {file: /nowhere/a}, X-C: {value: c}, X-D: {file: `+key+`}}}}
`)
	require.Empty(t, found)
	_, missing := c.Build(builtin.Registry(io.Discard), app.Deps())
	require.Equal(t, []string{
		"connections.a.webhook.headers.X-A: read secret: open /nowhere/a: no such file or directory",
		"connections.a.webhook.headers.X-B: secret env:FLYTE_NOTIFIER_TEST_UNSET is empty or not set",
		"connections.a.webhook.url: secret env:FLYTE_NOTIFIER_TEST_UNSET is empty or not set",
	}, slices.Sorted(slices.Values(texts(missing))))
}

func TestRateIsTheFormatsOwn(t *testing.T) {
	t.Parallel()
	url := write(t, "url", "https://chat.example.org/x")
	c, found := services(t, `
connections:
  chat: {webhook: {url: {file: `+url+`}, format: google-chat}}
  fast: {webhook: {url: {file: `+url+`}, format: google-chat}, rate: {per_second: 5}}
  any: {webhook: {url: {file: `+url+`}}}
`)
	require.Empty(t, found)
	require.Equal(t, notifier.Rate{PerSecond: 1, Burst: 1}, c.Connections["chat"].Rate)
	require.Equal(t, notifier.Rate{PerSecond: 5, Burst: 5}, c.Connections["fast"].Rate)
	require.Zero(t, c.Connections["any"].Rate.PerSecond)
	all, missing := c.Build(builtin.Registry(io.Discard), app.Deps())
	require.Empty(t, missing)
	conn, err := all.Find("webhook", "chat")
	require.NoError(t, err)
	require.Same(t, c.Connections["chat"].Config, conn.Config)
	require.False(t, conn.Idempotent(notifier.Manifest{Idempotent: true}))
}

func TestTemplatesOfAConnectionAreChecked(t *testing.T) {
	t.Parallel()
	_, found := services(t, `
connections:
  a: {webhook: {url: {env: A}, format: template, body: '{{.Nmae}}'}}
  b: {webhook: {url: {env: A}, format: template, body: '{"text": {{.Error | toJson}}}'}}
`)
	require.Equal(t, []string{"connections.a.webhook.body: line 1:2: unknown variable .Nmae, did you mean .Name?"}, found)
}
