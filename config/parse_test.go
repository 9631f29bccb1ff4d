package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const full = `
server: {listen: "127.0.0.1:9000", http: ":9080", tls: {cert: tls.crt, key: tls.key, client_ca: ca.crt}}
admin:  {endpoint: "dns:///flyteadmin:81", insecure: true, authType: ClientSecret, clientId: notifier}
flyte:  {console_url: "https://flyte.example.org/console"}
store:  {url: "sqlite:///var/lib/flyte-notifier/notifier.db"}
delivery: {max_age: 48h, max_attempts: 7, timeout: 10s}
retention: {watches: 1h, deliveries: 2h, most: 3}
watch:  {interval: 1s, sweep: 1m, overlap: 0s, node_interval: 5s, node_calls: 9, discovery: 1m, allow_cross_project: true}
connections:
  team-slack:
    slack: {token: {env: SLACK_BOT_TOKEN}, api_url: "http://127.0.0.1:1/"}
    allow: {scopes: ["ml/*"], destinations: ["#ml-*"]}
    rate: {per_second: 2.5, total_per_second: 20}
  mail:
    sendgrid: {api_key: {file: /run/secrets/key}, from: flyte@example.org}
defaults: {slack: team-slack, sendgrid: mail}
`

func TestParseReadsEveryKey(t *testing.T) {
	t.Parallel()
	c := parse(t, full)
	require.Equal(t, config.Server{
		Listen: "127.0.0.1:9000", HTTP: ":9080", TLS: config.TLS{Cert: "tls.crt", Key: "tls.key", ClientCA: "ca.crt"},
	}, c.Server)
	require.Equal(t, "notifier", c.Admin.ClientID)
	require.True(t, c.Admin.Insecure)
	require.Equal(t, config.Flyte{ConsoleURL: "https://flyte.example.org/console"}, c.Flyte)
	place, err := c.Store.URL.Place()
	require.NoError(t, err)
	require.Equal(t, config.Place{File: "/var/lib/flyte-notifier/notifier.db"}, place)
	require.Equal(t, config.Delivery{MaxAge: 48 * time.Hour, MaxAttempts: 7, Timeout: 10 * time.Second}, c.Delivery)
	require.Equal(t, config.Retention{Watches: time.Hour, Deliveries: 2 * time.Hour, Most: 3}, c.Retention)
	require.Equal(t, config.Watch{
		Interval: time.Second, Sweep: time.Minute, NodeInterval: 5 * time.Second, NodeCalls: 9, Discovery: time.Minute, AllowCrossProject: true,
	}, c.Watch)
	require.Equal(t, map[string]config.Connection{
		"team-slack": {
			Kind: "slack", Config: &chatConfig{Token: notifier.Secret{Env: "SLACK_BOT_TOKEN"}, APIURL: "http://127.0.0.1:1/"},
			Allow: notifier.Allow{Scopes: []string{"ml/*"}, Destinations: []string{"#ml-*"}},
			Rate:  notifier.Rate{PerSecond: 2.5, Burst: 3, TotalPerSecond: 20},
		},
		"mail": {
			Kind: "sendgrid", Config: &mailConfig{APIKey: notifier.Secret{File: "/run/secrets/key"}, From: "flyte@example.org"},
			Rate: notifier.Rate{Burst: 1},
		},
	}, c.Connections)
	require.Equal(t, map[string]string{"slack": "team-slack", "sendgrid": "mail"}, c.Defaults)
}

func TestParseFillsInDefaults(t *testing.T) {
	t.Parallel()
	want := &config.Config{
		Server:      config.Server{Listen: ":8000", HTTP: ":8080"},
		Delivery:    config.Delivery{MaxAge: 24 * time.Hour, Timeout: 15 * time.Second},
		Retention:   config.Retention{Watches: 168 * time.Hour, Deliveries: 720 * time.Hour},
		Watch:       config.Watch{Interval: 2 * time.Second, Sweep: 5 * time.Minute, Overlap: 15 * time.Second, NodeInterval: 10 * time.Second, NodeCalls: 50, Discovery: 30 * time.Second},
		Connections: map[string]config.Connection{},
	}
	c := parse(t, minimal)
	require.Empty(t, cmp.Diff(want, c, cmpopts.IgnoreTypes(flyte.AdminConfig{}, config.StoreURL{}, config.PostgresURL{})))
	place, err := c.Store.URL.Place()
	require.NoError(t, err)
	require.Equal(t, config.Place{File: "flyte-notifier.db"}, place)
	require.True(t, c.Store.LockURL.IsZero())
	require.Equal(t, "sqlite://flyte-notifier.db", c.Store.URL.String())
}

func TestParseTellsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		`admin.endpoint: required`,
		`connections["Team X"]: must be a name of at most 63 lower-case letters, digits, '-' and '_'`,
		`connections.a.allow.destinations[1]: malformed pattern "[a"`,
		`connections.a.allow.scopes[0]: must be a pattern of project/domain, such as ml/*`,
		`connections.a.rate.burst: must be at least 1, not 0`,
		`connections.a.rate.per_second: must be at least 0, not -1`,
		`connections.a.slack.token: must be {env: NAME} or {file: PATH}, not a string`,
		`connections.b: must have exactly one notifier, not sendgrid and slack`,
		`connections.b.sendgrid.from: must be an e-mail address`,
		`connections.b.sendgrid.kee: unknown key`,
		`connections.b.slack.token: must be exactly one of {env: NAME} and {file: PATH}`,
		`connections.c: must be a mapping, not a string`,
		`connections.d: must have a notifier: slack, sendgrid`,
		`connections.e.slak: unknown key, did you mean "slack"?`,
		`connections.f.webhook: is no notifier: use stdout, for example`,
		`connections.g.stdout: needs no connection: tasks name the notifier alone`,
		`connections.stdout: is the name of a notifier that needs no connection; choose another`,
		`defaults.sendgrid: connection "a" is not of kind sendgrid`,
		`defaults.slack: unknown connection "aa", did you mean "a"?`,
		`defaults.slak: unknown key, did you mean "slack"?`,
		`defaults.stdout: needs no connection: tasks name the notifier alone`,
		`defaults.webhook: is no notifier: use stdout, for example`,
		`delivery.timeout: must be longer than 0s`,
		`ops: must have at least 1 entry, not 0`,
		`server.hooks.listen: required`,
		`server.http: must be host:port or :port`,
		`server.listn: unknown key, did you mean "listen"?`,
		`server.pods: not supported by this version`,
		`server.river_ui: must be a mapping, not a boolean`,
		`server.tls.key: required with server.tls.cert`,
		`store.lock_url: must begin with postgres://`,
		`store.url: must name a database: postgres://user:password@host:5432/database`,
		`subscriptions[0].name: required`,
		`subscriptions[0].rules: required`,
		`watch.discovery: must be a duration such as 10m, not "often"`,
		`watch.interval: must be a duration such as 10m, not "fast"`,
		`watch.node_calls: must be at least 1, not 0`,
	}, problems(t, `
server: {listn: ":1", http: "8080", tls: {cert: x}, pods: {}, hooks: {}, river_ui: true}
admin: {insecure: true}
store: {url: "postgres://user:secret@db/", lock_url: x}
delivery: {timeout: 0s}
watch: {interval: fast, discovery: often, node_calls: 0}
connections:
  Team X: {slack: {token: {env: A}}}
  a: {slack: {token: xoxb-secret}, allow: {scopes: ["ml"], destinations: ["#a", "[a"]}, rate: {per_second: -1, burst: 0}}
  b: {slack: {token: {env: A, file: B}}, sendgrid: {api_key: {env: C}, from: nobody, kee: 1}}
  c: slack
  d: {}
  e: {slak: {}}
  f: {webhook: {url: {env: X}}}
  g: {stdout: {}}
  stdout: {slack: {token: {env: A}}}
defaults: {slack: aa, sendgrid: a, slak: a, webhook: f, stdout: g}
ops: []
subscriptions: [{}]
`))
}

// refusal is a document with its problems.
type refusal struct {
	name, doc string
	want      []string
}

func refuses(t *testing.T, all []refusal) {
	t.Helper()
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, problems(t, tt.doc))
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"no YAML", "a: [", []string{"read YAML: line 1: did not find expected node content"}},
		{"no mapping", "- a", []string{"must be a mapping, not a list"}},
		{"nothing", "", []string{"admin.endpoint: required"}},
		{"an empty admin", "admin:", []string{"admin.endpoint: required"}},
		{"an admin of another type", "admin: x", []string{"admin: must be a mapping, not a string"}},
		{"an unknown key", minimal + "sever: {}", []string{`sever: unknown key, did you mean "server"?`}},
		{"the admin section's own problems", "admin: {endpoint: 'http://x', maxRetries: -1}", []string{
			"admin.endpoint: must be dns:///host:port: flyteadmin is reached by gRPC, and `insecure` says whether with TLS",
			"admin.maxRetries: must be at least 0, not -1",
		}},
	})
}

func TestParseRefusesServers(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"one address twice", minimal + "server: {listen: ':1', http: ':1'}", []string{"server.http: must not be the address of server.listen"}},
		{"a port that is none", minimal + "server: {listen: 'x:70000', http: 'x:grpc'}", []string{
			"server.http: must be host:port or :port", "server.listen: must be host:port or :port",
		}},
		{"a key without certificate", minimal + "server: {tls: {key: x}}", []string{"server.tls.cert: required with server.tls.key"}},
		{"an authority alone", minimal + "server: {tls: {client_ca: x}}", []string{"server.tls.client_ca: needs server.tls.cert and server.tls.key"}},
		{"a console that is no URL", minimal + "flyte: {console_url: flyte.example.org}", []string{"flyte.console_url: must be an http or https URL"}},
	})
}

func TestParseRefusesStores(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"a store of another kind", minimal + "store: {url: 'mysql://x'}", []string{"store.url: must begin with sqlite:// or postgres://"}},
		{"a store without a file", minimal + "store: {url: 'sqlite:///var/lib/'}", []string{
			"store.url: must name a file: sqlite:///var/lib/flyte-notifier/notifier.db",
		}},
		{"a store of Postgres without a host", minimal + "store: {url: 'postgres:///x'}", []string{
			"store.url: must name a host: postgres://user:password@host:5432/database",
		}},
		{"locks without Postgres", minimal + "store: {lock_url: 'postgres://db/x'}", []string{"store.lock_url: needs a store.url of Postgres"}},
		{"River's page without Postgres", minimal + "server: {river_ui: {user: ada, password: {env: A}}}", []string{
			"server.river_ui: needs a store.url of Postgres",
		}},
		{"River's page for everybody", minimal + "store: {url: 'postgres://db/x'}\nserver: {river_ui: {}}", []string{
			"server.river_ui.password: required", "server.river_ui.user: required",
		}},
		{"River's page for nobody", minimal + "store: {url: {env: A}}\nserver: {river_ui: {user: 'a:b', password: {}}}", []string{
			"server.river_ui.password: must be exactly one of {env: NAME} and {file: PATH}", "server.river_ui.user: must be a name without ':'",
		}},
		{"an empty store", minimal + "store: {url: ''}", []string{"store.url: must not be empty"}},
		{"a store of another type", minimal + "store: {url: 3}", []string{"store.url: must be a URL, {env: NAME} or {file: PATH}, not a number"}},
		{"a store by no reference", minimal + "store: {url: {}}", []string{"store.url: must be exactly one of {env: NAME} and {file: PATH}"}},
		{"a store by an unknown reference", minimal + "store: {url: {env: A, vault: x}}", []string{"store.url.vault: unknown key"}},
	})
}

func TestParseRefusesTimes(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"times of zero", minimal + "delivery: {max_age: 0s}\nretention: {watches: 0s, deliveries: 0s}\nwatch: {interval: 0s, node_interval: 0s}", []string{
			"delivery.max_age: must be longer than 0s", "retention.deliveries: must be longer than 0s", "retention.watches: must be longer than 0s",
			"watch.interval: must be longer than 0s", "watch.node_interval: must be longer than 0s",
		}},
		{"a time-out that no step on Postgres has", minimal + "store: {url: 'postgres://db/x'}\ndelivery: {timeout: 21s}", []string{
			"delivery.timeout: must be at most 20s with a store.url of Postgres, which gives a step of a delivery no more time, not 21s",
		}},
		{"a negative count", minimal + "retention: {most: -1}", []string{"retention.most: must be at least 0, not -1"}},
		{"a negative time", minimal + "watch: {overlap: -1s}", []string{"watch.overlap: must not be negative"}},
		{"a sweep that is too short", minimal + "watch: {interval: 10s, sweep: 10s}", []string{
			"watch.sweep: must be longer than watch.interval (10s), not 10s",
		}},
	})
}

func TestParseRefusesConnections(t *testing.T) {
	t.Parallel()
	refuses(t, []refusal{
		{"a connection without its notifier's keys", minimal + "connections: {a: {slack: }}", []string{"connections.a.slack.token: required"}},
		{"a connection of nothing", minimal + "connections: {a: }", []string{"connections.a: must be a mapping, not null"}},
		{"a name that is too long", minimal + "connections: {" + strings.Repeat("a", 64) + ": {slack: {token: {env: A}}}}", []string{
			"connections." + strings.Repeat("a", 64) + ": must be a name of at most 63 lower-case letters, digits, '-' and '_'",
		}},
		{"an allow that a comment emptied", minimal + "connections: {a: {slack: {token: {env: A}}, allow: {destinations: , scopes: []}}}", []string{
			"connections.a.allow.destinations: must not be empty", "connections.a.allow.scopes: must have at least 1 entry, not 0",
		}},
		{"an allow of nothing", minimal + "connections: {a: {slack: {token: {env: A}}, allow: }}", []string{"connections.a.allow: must not be empty"}},
		{"a pattern of nothing", minimal + "connections: {a: {slack: {token: {env: A}}, allow: {scopes: ['']}}}", []string{
			`connections.a.allow.scopes[0]: malformed pattern ""`,
		}},
		{"an unknown limit", minimal + "connections: {a: {slack: {token: {env: A}}, rate: {per_minute: 3}}}", []string{
			`connections.a.rate.per_minute: unknown key`,
		}},
		{"a default of a connection with a problem of its own", minimal + "connections: {a: {slack: {}}}\ndefaults: {slack: a}", []string{
			"connections.a.slack.token: required",
		}},
		{"a default of another type", minimal + "defaults: {slack: 3}", []string{"defaults.slack: must be a string, not a number"}},
	})
}

func TestParseTakesOneAddressOfAnyPort(t *testing.T) {
	t.Parallel()
	parse(t, minimal+"server: {listen: '127.0.0.1:0', http: '127.0.0.1:0'}")
}

func TestRateFallsBackToTheServices(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string]notifier.Rate{
		"{}":                    {PerSecond: 1, Burst: 3},
		"{burst: 9}":            {PerSecond: 1, Burst: 9},
		"{per_second: 0}":       {PerSecond: 0, Burst: 1},
		"{per_second: 0.1}":     {PerSecond: 0.1, Burst: 1},
		"{per_second: 10}":      {PerSecond: 10, Burst: 10},
		"{total_per_second: 5}": {PerSecond: 1, Burst: 3, TotalPerSecond: 5},
	} {
		c := parse(t, minimal+"connections: {a: {slack: {token: {env: A}}, rate: "+rate+"}}")
		require.Equal(t, want, c.Connections["a"].Rate, rate)
	}
}

func TestProblemsNeverShowASecret(t *testing.T) {
	t.Parallel()
	for _, text := range problems(t, `
store: {url: "postgres://user:very-secret@db:very-secret/x", lock_url: "postgres://user:very-secret#@db/x"}
server: {river_ui: {user: ada, password: very-secret}}
connections: {a: {slack: {token: very-secret, second: [very-secret]}}, b: {sendgrid: {api_key: {env: [very-secret]}}}}
`) {
		require.NotContains(t, text, "very-secret")
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	c, found, err := config.Load(write(t, "c.yaml", minimal), nil, registry())
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, ":8000", c.Server.Listen)

	c, found, err = config.Load(write(t, "c.yaml", minimal+"connections: {a: {webhook: {}}}"), []string{"FLYTE_NOTIFIER__SERVER__LISTEN=x"}, registry())
	require.NoError(t, err)
	require.Nil(t, c)
	require.Equal(t, "connections.a.webhook: is no notifier: use stdout, for example\n"+
		"server.listen: must be host:port or :port (set by FLYTE_NOTIFIER__SERVER__LISTEN)\n", config.Problems(found))

	_, _, err = config.Load(filepath.Join(t.TempDir(), "missing.yaml"), nil, registry())
	require.ErrorContains(t, err, "read config: open")
	bad := write(t, "bad.yaml", "a: 1\na: 2")
	_, _, err = config.Load(bad, nil, registry())
	require.EqualError(t, err, "read config "+bad+`: read YAML: line 2: key "a" is there twice`)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{full, minimal, "", "connections: {a: {slack: {}, allow: }}", "admin: &a {endpoint: x}\nstore: *a"} {
		f.Add([]byte(seed), "SERVER__LISTEN", ":1")
		f.Add([]byte(seed), "CONNECTIONS__TEAM_SLACK__ALLOW__SCOPES", "[a/b]")
		f.Add([]byte(seed), "__", "{")
	}
	f.Fuzz(func(t *testing.T, data []byte, name, value string) {
		environ := []string{"FLYTE_NOTIFIER__" + name + "=" + value}
		c, found := config.Parse(data, environ, registry())
		require.Equal(t, c == nil, len(found) > 0, "either a config or problems")
		_, again := config.Parse(data, environ, registry())
		require.Equal(t, found, again, "the same problems in the same order")
	})
}
