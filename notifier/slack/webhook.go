package slack

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// WebhookKind is the key of Slack's incoming webhooks in specs and in the server's config.
const WebhookKind = "slack_webhook"

// WebhookManifest describes the notifier for incoming webhooks to the registry. It is for those who may not install an
// app with a bot token: a webhook posts to one channel, and can do nothing else.
func WebhookManifest() notifier.Manifest {
	return notifier.Manifest{
		Kind:        WebhookKind,
		Title:       "Slack incoming webhook",
		Destination: func() notifier.Destination { return &WebhookDestination{} },
		Config:      func() any { return &WebhookConfig{} },
		New:         openWebhook,
		Rate:        notifier.Rate{PerSecond: 1, Burst: 1},
		Guarantee: "At least once: a webhook cannot be asked whether a message arrived, so after an unknown outcome it is " +
			"sent again.",
	}
}

// WebhookConfig is what the server's config says of an incoming webhook.
type WebhookConfig struct {
	URL notifier.Secret `json:"url" required:"true" doc:"the webhook's URL (https://hooks.slack.com/services/...), which is a secret: where it is kept, never the URL itself"`
}

// WebhookDestination is the channel that the webhook was made for; it has no keys.
type WebhookDestination struct{}

// Address is "slack_webhook": a connection leads to one channel.
func (*WebhookDestination) Address() string { return WebhookKind }

// Webhook posts through one incoming webhook. It is safe for concurrent use.
type Webhook struct {
	config WebhookConfig
	http   *http.Client
}

var (
	_ notifier.BaseNotifier = (*Webhook)(nil)
	_ notifier.Previewer    = (*WebhookDestination)(nil)
)

func openWebhook(config any, d notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*WebhookConfig)
	if !ok {
		return nil, fmt.Errorf("open slack_webhook: config is a %T", config)
	}
	return NewWebhook(*c, d.HTTP)
}

// NewWebhook returns a notifier for the config. It fails when the URL cannot be read, naming its reference. The URL is
// read again for every message, so that a rotated one is taken up.
func NewWebhook(c WebhookConfig, client *http.Client) (*Webhook, error) {
	if _, _, err := exchange.SecretURL(c.URL); err != nil {
		return nil, fmt.Errorf("open slack_webhook: url: %w", err)
	}
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return &Webhook{config: c, http: client}, nil
}

// webhookMessage is what an incoming webhook takes. Metadata is not among it.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type webhookMessage struct {
	Text        string        `json:"text"`
	Blocks      []slack.Block `json:"blocks"`
	UnfurlLinks bool          `json:"unfurl_links"`
	UnfurlMedia bool          `json:"unfurl_media"`
}

func webhookContent(m notifier.Message) webhookMessage {
	m = tidy(m)
	return webhookMessage{Text: fallback(m), Blocks: blocks(m)}
}

// Send posts m. There is no receipt, since Slack answers nothing but "ok". Errors name Slack's code. The library's own
// function takes any 200 for success, and drops the code.
func (n *Webhook) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	if _, ok := d.(*WebhookDestination); !ok {
		return nil, notifier.Permanent.Errorf("slack_webhook: destination is a %T", d)
	}
	address, parts, err := exchange.SecretURL(n.config.URL)
	if err != nil {
		return nil, notifier.Retry.Errorf("slack_webhook: url: %w", err)
	}
	service := exchange.Service{Name: WebhookKind, Secrets: parts, Client: n.http}
	answer, err := service.PostJSON(ctx, address, webhookContent(m))
	switch {
	case err != nil:
		return nil, err
	case answer.Status != http.StatusOK || strings.TrimSpace(string(answer.Body)) != "ok":
		return nil, webhookRefused(service, answer)
	}
	return nil, nil
}

// Preview returns what is posted for m.
func (*WebhookDestination) Preview(m notifier.Message) (notifier.Preview, error) {
	raw, err := exchange.JSON(webhookContent(m))
	if err != nil {
		return notifier.Preview{}, fmt.Errorf("preview for slack_webhook: %w", err)
	}
	return notifier.Preview{Payload: raw}, nil
}
