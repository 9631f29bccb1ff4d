package agentproc

import (
	"cmp"
	"fmt"
	"path/filepath"
	"time"
)

// The variables that the config's secrets refer to.
const (
	slackVariable    = "E2E_SLACK_TOKEN"
	sendGridVariable = "E2E_SENDGRID_KEY"
)

const configYAML = `server: {listen: %q, http: %q}
admin: {endpoint: %q, insecure: true}
flyte: {console_url: "https://flyte.example.org/console"}
store: {url: %q}
watch: {interval: %s, sweep: %s, overlap: 2s}
delivery: {timeout: %s}
connections:
  team-slack:
    slack: {token: {env: E2E_SLACK_TOKEN}, api_url: %q}%s
  mail:
    sendgrid: {api_key: {env: E2E_SENDGRID_KEY}, from: flyte@example.org, host: %q}%s
%sdefaults: {slack: team-slack, sendgrid: mail}
%s`

// Rate is how many messages a second may go to one destination.
type Rate struct{ PerSecond, Burst int }

func (r Rate) yaml() string {
	if r == (Rate{}) {
		return ""
	}
	return fmt.Sprintf("\n    rate: {per_second: %d, burst: %d}", r.PerSecond, r.Burst)
}

func (c Config) yaml() string {
	return fmt.Sprintf(configYAML, c.Listen, c.HTTP, "dns:///"+c.Admin, c.storeURL(),
		cmp.Or(c.Interval, 200*time.Millisecond), cmp.Or(c.Sweep, 3*time.Second), cmp.Or(c.DeliveryTimeout, 5*time.Second),
		c.Slack, c.Rate.yaml(), c.SendGrid, c.Rate.yaml(), c.Connections, c.subscriptions())
}

func (c Config) subscriptions() string {
	if c.Subscriptions == "" {
		return ""
	}
	return "subscriptions: " + c.Subscriptions + "\n"
}

func (c Config) storeURL() string { return cmp.Or(c.Store, "sqlite://"+c.storePath()) }

func (c Config) storePath() string { return filepath.Join(c.storeDir(), "notifier.db") }

func (c Config) storeDir() string { return filepath.Join(c.Dir, "store") }
