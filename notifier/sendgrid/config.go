package sendgrid

import (
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Config is what the server's config says of a SendGrid connection.
type Config struct {
	APIKey          notifier.Secret  `json:"api_key" required:"true" doc:"the API key (SG....) with the permission Mail Send: where it is kept, never the key itself"`
	From            string           `json:"from" required:"true" doc:"the sender, verified in SendGrid: flyte@example.org or Flyte <flyte@example.org>"`
	Host            exchange.BaseURL `json:"host,omitempty" doc:"base URL of the Web API, for a proxy or a test; default https://api.sendgrid.com"`
	DataResidency   string           `json:"data_residency,omitempty" enum:"global,eu" default:"global" doc:"the region that keeps the mails; a host given takes precedence"`
	ListUnsubscribe string           `json:"list_unsubscribe,omitempty" doc:"a mailto: or https: URL by which readers leave: the header List-Unsubscribe"`
	Sandbox         bool             `json:"sandbox,omitempty" default:"false" doc:"let SendGrid check the mails without sending them"`
	EventKey        EventKey         `json:"event_key,omitzero" doc:"the verification key of SendGrid's signed event webhook, which calls server.hooks at /hooks/sendgrid/<connection>: the key itself, {env: NAME} or {file: PATH}; default: no calls are taken"`
	OpenTracking    bool             `json:"open_tracking,omitempty" default:"false" doc:"let SendGrid put an invisible picture into mails, so that its event webhook tells when they are opened"`
}

// Validate returns what is wrong beside the API key's reference, which validates itself.
func (c *Config) Validate() []notifier.Problem {
	var problems []notifier.Problem
	add := func(path, text string) { problems = append(problems, notifier.Problem{Path: path, Text: text}) }
	if c.From == "" {
		add("from", "required")
	} else if _, err := email.ParseAddress(c.From); err != nil {
		add("from", err.Error())
	}
	if c.DataResidency != "" && c.DataResidency != "eu" && c.DataResidency != "global" {
		add("data_residency", "must be global or eu")
	}
	if c.ListUnsubscribe != "" {
		if text := email.CheckUnsubscribe(c.ListUnsubscribe); text != "" {
			add("list_unsubscribe", text)
		}
	}
	return problems
}
