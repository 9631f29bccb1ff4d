// Package pagerduty opens and resolves incidents through PagerDuty's Events API v2. Everything that knows PagerDuty is
// here: its events, their limits and what its answers mean. It makes one request a send, and neither waits nor tries
// again.
package pagerduty

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Kind is the key of PagerDuty in specs and in the server's config.
const Kind = "pagerduty"

// Manifest describes the notifier to the registry.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind:        Kind,
		Title:       "PagerDuty",
		Destination: func() notifier.Destination { return &Destination{} },
		Config:      func() any { return &Config{} },
		New:         open,
		Rate:        notifier.Rate{PerSecond: 2, Burst: 10}, // 120 a minute for each integration key
		Idempotent:  true,
		Guarantee: "Once while the incident is open: an event that is sent again has the same dedup_key, and comes to the " +
			"same incident, which notifies nobody anew. If somebody has resolved it meanwhile, a new one opens.",
	}
}

func open(config any, d notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("open pagerduty: config is a %T", config)
	}
	return New(*c, d.HTTP)
}

// Notifier sends events with one routing key. It is safe for concurrent use.
type Notifier struct {
	config Config
	http   *http.Client
}

var (
	_ notifier.BaseNotifier = (*Notifier)(nil)
	_ notifier.Previewer    = (*Destination)(nil)
	_ notifier.Stateful     = (*Destination)(nil)
)

// New returns a notifier for the config. It fails when the routing key cannot be read, naming its reference. The key
// is read again for every event, so that a rotated one is taken up.
func New(c Config, client *http.Client) (*Notifier, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("open pagerduty: %s", problems[0])
	}
	if _, err := c.RoutingKey.Value(); err != nil {
		return nil, fmt.Errorf("open pagerduty: routing_key: %w", err)
	}
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return &Notifier{config: c, http: client}, nil
}

// Send triggers an incident or, for good news, resolves it. The receipt holds the dedup_key. Errors name PagerDuty's
// status and its list of errors.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	to, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("pagerduty: destination is a %T", d)
	}
	if problems := to.Validate(); len(problems) > 0 {
		return nil, notifier.Permanent.Errorf("pagerduty: %s", problems[0])
	}
	key, err := n.config.RoutingKey.Value()
	if err != nil {
		return nil, notifier.Retry.Errorf("pagerduty: routing_key: %w", err)
	}
	service := exchange.Service{Name: Kind, Secrets: []string{key}, Client: n.http}
	e := to.event(m)
	e.RoutingKey = key
	answer, err := service.PostJSON(ctx, n.config.enqueue(), e)
	switch {
	case err != nil:
		return nil, err
	case answer.Status != http.StatusAccepted:
		return nil, refused(service, answer)
	}
	return notifier.Receipt{"dedup_key": e.DedupKey}, nil
}
