package webhook

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// PreviewFor returns the body that the connection sends. ntfy's topic is in a URL that is not read here, where it is
// the connection's.
func (c *Config) PreviewFor(to notifier.Destination, m notifier.Message) (notifier.Preview, error) {
	d, ok := to.(*Destination)
	if !ok {
		return notifier.Preview{}, fmt.Errorf("preview for webhook: destination is a %T", to)
	}
	topic := "topic"
	if u, err := url.Parse(d.URL); err == nil && d.URL != "" {
		topic = ntfyTopic(u)
	}
	_, body, err := c.body(topic, d, m)
	if err != nil {
		return notifier.Preview{}, fmt.Errorf("preview for webhook: %w", err)
	}
	if !json.Valid(body) {
		return notifier.Preview{Text: string(body)}, nil
	}
	return notifier.Preview{Payload: body}, nil
}

// Preview returns the body for a connection that says nothing about it: the destination's own, or JSON.
func (d *Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	c := &Config{Format: formatJSON}
	if d.Body != "" {
		c.Format, c.ContentType = formatTemplate, "text/plain"
	}
	return c.PreviewFor(d, m)
}
