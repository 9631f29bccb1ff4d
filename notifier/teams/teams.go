// Package teams delivers messages to Microsoft Teams as Adaptive Cards, through the webhook of a workflow (Power
// Automate). Everything that knows Teams is here: its cards, how text is kept from being Markdown, what a workflow's
// answers mean. It makes one request a send, and neither waits nor tries again.
package teams

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Kind is the key of Teams in specs and in the server's config.
const Kind = "teams"

// Manifest describes the notifier to the registry.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind:        Kind,
		Title:       "Microsoft Teams",
		Destination: func() notifier.Destination { return &Destination{} },
		Config:      func() any { return &Config{} },
		New:         open,
		Rate:        notifier.Rate{PerSecond: 1, Burst: 4}, // Teams throttles more than four requests a second
		Guarantee: "At least once that the workflow is started: a card may come twice when its answer was lost, and " +
			"whether the workflow then posts it shows in Power Automate only.",
	}
}

func open(config any, d notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("open teams: config is a %T", config)
	}
	return New(*c, d.HTTP)
}

// Notifier starts one workflow. It is safe for concurrent use.
type Notifier struct {
	config Config
	http   *http.Client
}

var (
	_ notifier.BaseNotifier = (*Notifier)(nil)
	_ notifier.Previewer    = (*Destination)(nil)
)

// New returns a notifier for the config. It fails when the URL cannot be read, naming its reference. The URL is read
// again for every card, so that a rotated one is taken up.
func New(c Config, client *http.Client) (*Notifier, error) {
	if _, _, err := exchange.SecretURL(c.URL); err != nil {
		return nil, fmt.Errorf("open teams: url: %w", err)
	}
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return &Notifier{config: c, http: client}, nil
}

// Send starts the workflow with a card. There is no receipt: the workflow tells nothing of what it posts. Errors name
// the status, and Power Automate's code and message.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	if _, ok := d.(*Destination); !ok {
		return nil, notifier.Permanent.Errorf("teams: destination is a %T", d)
	}
	address, parts, err := exchange.SecretURL(n.config.URL)
	if err != nil {
		return nil, notifier.Retry.Errorf("teams: url: %w", err)
	}
	body, err := payload(m)
	if err != nil {
		return nil, notifier.Permanent.Errorf("teams: %w", err)
	}
	service := exchange.Service{Name: Kind, Secrets: parts, Client: n.http}
	// Without a charset some tenants break emojis.
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	answer, err := service.Do(ctx, http.MethodPost, address, header, string(body))
	switch {
	case err != nil:
		return nil, err
	case verdictOf(answer) != notifier.Delivered:
		return nil, refused(service, answer)
	}
	return nil, nil
}

// Preview returns the message with the card that holds m.
func (*Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	raw, err := payload(m)
	if err != nil {
		return notifier.Preview{}, fmt.Errorf("preview for teams: %w", err)
	}
	return notifier.Preview{Payload: raw}, nil
}
