package pagerduty

import (
	"cmp"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Config is what the server's config says of a PagerDuty connection, which is one integration of one service.
type Config struct {
	RoutingKey notifier.Secret `json:"routing_key" required:"true" doc:"the integration key of Events API v2, 32 characters: where it is kept, never the key itself"`
	Region     string          `json:"region,omitempty" enum:"us,eu" default:"us" doc:"the service region of the account; an api_url given takes precedence"`
	APIURL     string          `json:"api_url,omitempty" doc:"base URL of the Events API, for a proxy or a test; default https://events.pagerduty.com, in the region eu https://events.eu.pagerduty.com"`
}

// Validate returns what is wrong beside the key's reference, which validates itself.
func (c *Config) Validate() []notifier.Problem {
	var problems []notifier.Problem
	if text := exchange.CheckBase(c.APIURL); text != "" {
		problems = append(problems, notifier.Problem{Path: "api_url", Text: text})
	}
	if c.Region != "" && c.Region != "us" && c.Region != "eu" {
		problems = append(problems, notifier.Problem{Path: "region", Text: "must be us or eu"})
	}
	return problems
}

// enqueue is the URL that events are posted to.
// https://support.pagerduty.com/main/docs/service-regions
func (c *Config) enqueue() string {
	base := "https://events.pagerduty.com"
	if c.Region == "eu" {
		base = "https://events.eu.pagerduty.com"
	}
	return strings.TrimSuffix(cmp.Or(c.APIURL, base), "/") + "/v2/enqueue"
}
