package webhook

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// request is what is sent of m to u.
func (c *Config) request(u *url.URL, d *Destination, m notifier.Message) (request, error) {
	to := *u
	if c.Format == formatNtfy {
		if err := ntfyRoot(&to); err != nil {
			return request{}, fmt.Errorf("url: %w", err)
		}
	}
	content, body, err := c.body(ntfyTopic(u), d, m)
	if err != nil {
		return request{}, err
	}
	switch c.Format {
	case formatDiscord:
		discordVersion(&to)
		to.RawQuery = with(to.RawQuery, "wait", "true") // so that it tells whether it took the message
	case formatGoogleChat:
		if id := headerText(m.Key); id != "" {
			to.RawQuery = with(to.RawQuery, "requestId", id)
		}
	}
	header := http.Header{"Content-Type": {content}, "User-Agent": {"flyte-notifier"}}
	return request{cmp.Or(c.Method, http.MethodPost), to.String(), header, body}, nil
}

// with is a query with one more key, the others as they are: their order may be signed.
func with(query, key, value string) string {
	own := key + "=" + url.QueryEscape(value)
	if query == "" {
		return own
	}
	return query + "&" + own
}

// body is what a request holds, and its media type. topic is ntfy's.
func (c *Config) body(topic string, d *Destination, m notifier.Message) (content string, body []byte, err error) {
	content = "application/json"
	switch c.Format {
	case formatTemplate:
		content, body, err = c.templated(d)
	case formatCloudEvents:
		content = "application/cloudevents+json; charset=utf-8"
		body, err = exchange.JSON(cloudEvent(m, cmp.Or(c.Source, "flyte-notifier")))
	case formatMattermost:
		body, err = exchange.JSON(mattermost(m))
	case formatDiscord:
		body, err = exchange.JSON(discord(m))
	case formatGoogleChat:
		body, err = googleChat(m)
	case formatNtfy:
		body, err = ntfy(topic, m)
	default:
		body, err = exchange.JSON(neutral(m))
	}
	return content, body, err
}

// templated is the destination's own body. What claims to be JSON must be.
func (c *Config) templated(d *Destination) (content string, body []byte, err error) {
	isJSON, err := c.claimsJSON()
	if err != nil {
		return "", nil, fmt.Errorf("content_type: %w", err)
	}
	if isJSON && !json.Valid([]byte(d.Body)) {
		return "", nil, errors.New("body: " + notJSON)
	}
	return c.contentType(), []byte(d.Body), nil
}

const notJSON = "is not JSON (write texts as {{.Error | toJson}}, without quotes around it)"

// claimsJSON says whether the media type of a body of one's own is one of JSON.
func (c *Config) claimsJSON() (bool, error) {
	kind, _, err := mime.ParseMediaType(c.contentType())
	return kind == "application/json" || strings.HasSuffix(kind, "+json"), err
}

// wrongBody says whether a body, as it is written, can never be the JSON that it claims to be.
func (c *Config) wrongBody(body string) bool {
	if body == "" || notifier.IsTemplate(body) || c.Format != formatTemplate {
		return false
	}
	isJSON, err := c.claimsJSON()
	return err == nil && isJSON && !json.Valid([]byte(body))
}

// receipt is the status, and what a chat calls the message.
func (c *Config) receipt(l *line, a exchange.Answer) notifier.Receipt {
	r := notifier.Receipt{"status": fmt.Sprint(a.Status)}
	if !c.chat() {
		return r
	}
	said := madeOf(a.Body)
	for key, value := range map[string]string{"message_id": said.ID, "channel_id": said.Channel, "name": said.Name} {
		if text := l.Quote(value, 200); text != "" {
			r[key] = text
		}
	}
	return r
}
