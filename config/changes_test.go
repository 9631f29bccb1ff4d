package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
)

func TestChangesNameEveryKeyThatDiffers(t *testing.T) {
	t.Parallel()
	const before = minimal + `
store: {url: "sqlite://a.db"}
connections:
  team: {slack: {token: {env: A}}, allow: {scopes: [ml/*]}}
  mail: {sendgrid: {api_key: {env: B}, from: a@example.org}}
defaults: {slack: team}
`
	for name, tc := range map[string]struct {
		after string
		want  config.Changes
	}{
		"nothing": {before, config.Changes{}},
		"a default that is written, and comments": {before + "# all is well\nwatch: {interval: 2s}\ndelivery: {max_age: 24h}\n", config.Changes{}},
		"all that a server takes up": {minimal + `
store: {url: "sqlite://a.db"}
connections:
  team: {slack: {token: {env: A}}, allow: {scopes: [ml/*, x/*]}}
  new_one: {slack: {token: {env: A}}}
  post: {sendgrid: {api_key: {env: B}, from: a@example.org}}
defaults: {sendgrid: post}
delivery: {max_age: 1h, max_attempts: 3, timeout: 1s}
retention: {watches: 1h, deliveries: 1h, most: 9}
watch: {allow_cross_project: true}
ops: [{stdout: {}}]
`, config.Changes{Live: []string{
			"connections.mail", "connections.new_one", "connections.post", "connections.team", "defaults.sendgrid", "defaults.slack",
			"delivery.max_age", "delivery.max_attempts", "delivery.timeout", "ops",
			"retention.deliveries", "retention.most", "retention.watches", "watch.allow_cross_project",
		}}},
		"another notifier, token or rate": {`
admin: {endpoint: "dns:///flyteadmin:81", insecure: true}
store: {url: "sqlite://a.db"}
connections:
  team: {slack: {token: {file: A}}, allow: {scopes: [ml/*]}}
  mail: {sendgrid: {api_key: {env: B}, from: a@example.org}, rate: {burst: 7}}
defaults: {slack: team}
`, config.Changes{Live: []string{"connections.mail", "connections.team"}}},
		"all that it does not": {`
admin: {endpoint: "dns:///other:81", insecure: true}
flyte: {console_url: "https://flyte.example.org/console"}
server: {listen: ":1", http: ":2", tls: {cert: a, key: b}, river_ui: {user: ada, password: {env: P}}}
store: {url: "postgres://a:b@c/d", lock_url: "postgres://a:b@c:1/d"}
connections:
  team: {slack: {token: {env: A}}, allow: {scopes: [ml/*]}}
  mail: {sendgrid: {api_key: {env: B}, from: a@example.org}}
defaults: {slack: team}
watch: {interval: 1s, sweep: 1m, overlap: 1s, node_interval: 1s, node_calls: 1}
`, config.Changes{Restart: []string{
			"admin.endpoint", "flyte.console_url", "server.http", "server.listen", "server.river_ui", "server.tls",
			"store.lock_url", "store.url", "watch.interval", "watch.node_calls", "watch.node_interval", "watch.overlap", "watch.sweep",
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := parse(t, before), parse(t, tc.after)
			if diff := cmp.Diff(tc.want, a.Changes(b)); diff != "" {
				t.Error(diff)
			}
			require.Equal(t, tc.want, b.Changes(a), "whichever comes first")
		})
	}
}
