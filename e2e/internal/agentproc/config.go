package agentproc

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// The variables that the config's secrets refer to.
const (
	slackVariable    = "E2E_SLACK_TOKEN"
	sendGridVariable = "E2E_SENDGRID_KEY"
)

// The connections that every agent here has; they are also its defaults.
const (
	SlackConnection    = "team-slack"
	SendGridConnection = "mail"
)

const configYAML = `server: {listen: %q, http: %q}
admin: {endpoint: %q, insecure: true}
flyte: {console_url: "https://flyte.example.org/console"}
store: {url: %q}
watch: {interval: 200ms, sweep: 3s, overlap: 2s}
delivery: {timeout: 5s}
connections:
  team-slack:
    slack: {token: {env: E2E_SLACK_TOKEN}, api_url: %q}
  mail:
    sendgrid: {api_key: {env: E2E_SENDGRID_KEY}, from: flyte@example.org, host: %q}
defaults: {slack: team-slack, sendgrid: mail}
%s`

func (c Config) yaml() string {
	return fmt.Sprintf(configYAML, c.Listen, c.HTTP, "dns:///"+c.Admin,
		"sqlite://"+filepath.Join(c.StoreDir, "notifier.db"), c.Slack, c.SendGrid, c.Extra)
}

// Delivery is a line of `deliveries --json`, as far as tests look at it.
type Delivery struct {
	ID        string            `json:"id"`
	State     string            `json:"state"`
	Rule      string            `json:"rule"`
	Reason    string            `json:"reason"`
	Notifier  string            `json:"notifier"`
	Attempts  int               `json:"attempts"`
	LastError string            `json:"last_error"`
	Receipt   map[string]string `json:"receipt"`
}

// Deliveries runs the command of that name on the store.
func (a *Agent) Deliveries() ([]Delivery, error) {
	out, err := a.Run("deliveries", "--json")
	if err != nil {
		return nil, err
	}
	var all []Delivery
	for line := range lines(out) {
		var d Delivery
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			return nil, fmt.Errorf("read deliveries: %w: %s", err, line)
		}
		all = append(all, d)
	}
	return all, nil
}
