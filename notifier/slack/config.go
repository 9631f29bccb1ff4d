package slack

import (
	"net/url"
	"strings"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Config is what the server's config says of a Slack connection.
type Config struct {
	Token  notifier.Secret `json:"token" required:"true" doc:"the bot token (xoxb-...): where it is kept, never the token itself"`
	APIURL string          `json:"api_url,omitempty" doc:"base URL of the Web API, for a proxy or a test; default https://slack.com/api/"`

	Mentions Mentions `json:"mentions,omitempty" doc:"who the owners of executions are in Slack, for mention: owner"`
}

// Validate returns what is wrong beside the token's reference, which validates itself.
func (c *Config) Validate() []notifier.Problem {
	if c.APIURL == "" {
		return nil
	}
	u, err := url.Parse(c.APIURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return []notifier.Problem{{Path: "api_url", Text: "must be an http or https URL"}}
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return []notifier.Problem{{Path: "api_url", Text: "must have no user, query or fragment"}}
	}
	return nil
}

// base is the URL that method names are appended to.
func (c *Config) base() string {
	if c.APIURL == "" {
		return slack.APIURL
	}
	return strings.TrimSuffix(c.APIURL, "/") + "/"
}
