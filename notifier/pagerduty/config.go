package pagerduty

import (
	"cmp"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Config is what the server's config says of a PagerDuty connection, which is one integration of one service.
type Config struct {
	RoutingKey notifier.Secret  `json:"routing_key" required:"true" doc:"the integration key of Events API v2, 32 characters: where it is kept, never the key itself"`
	Region     string           `json:"region,omitempty" enum:"us,eu" default:"us" doc:"the service region of the account; an api_url given takes precedence"`
	APIURL     exchange.BaseURL `json:"api_url,omitempty" doc:"base URL of the Events API, for a proxy or a test; default https://events.pagerduty.com, in the region eu https://events.eu.pagerduty.com"`
}

// Validate returns what is wrong beside the key's reference, which validates itself.
func (c *Config) Validate() []notifier.Problem {
	if c.Region != "" && c.Region != "us" && c.Region != "eu" {
		return []notifier.Problem{{Path: "region", Text: "must be us or eu"}}
	}
	return nil
}

// enqueue is the URL that events are posted to.
// https://support.pagerduty.com/main/docs/service-regions
func (c *Config) enqueue() string {
	base := exchange.BaseURL("https://events.pagerduty.com")
	if c.Region == "eu" {
		base = "https://events.eu.pagerduty.com"
	}
	return cmp.Or(c.APIURL, base).Join("v2/enqueue")
}
