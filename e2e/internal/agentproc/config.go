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
watch: {interval: 200ms, sweep: 3s, overlap: 2s}
delivery: {timeout: %s}
connections:
  team-slack:
    slack: {token: {env: E2E_SLACK_TOKEN}, api_url: %q}
  mail:
    sendgrid: {api_key: {env: E2E_SENDGRID_KEY}, from: flyte@example.org, host: %q}
defaults: {slack: team-slack, sendgrid: mail}
`

func (c Config) yaml() string {
	return fmt.Sprintf(configYAML, c.Listen, c.HTTP, "dns:///"+c.Admin,
		"sqlite://"+filepath.Join(c.storeDir(), "notifier.db"), cmp.Or(c.DeliveryTimeout, 5*time.Second), c.Slack, c.SendGrid)
}

func (c Config) storeDir() string { return filepath.Join(c.Dir, "store") }
