package slack

import (
	"cmp"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Config is what the server's config says of a Slack connection.
type Config struct {
	Token  notifier.Secret  `json:"token" required:"true" doc:"the bot token (xoxb-...): where it is kept, never the token itself"`
	APIURL exchange.BaseURL `json:"api_url,omitempty" doc:"base URL of the Web API, for a proxy or a test; default https://slack.com/api/"`

	Mentions Mentions `json:"mentions,omitempty" doc:"who the owners of executions are in Slack, for mention: owner"`
}

// base is the URL that method names are appended to.
func (c *Config) base() string { return cmp.Or(c.APIURL, slack.APIURL).Join("") }
