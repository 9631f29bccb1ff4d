// Package gotify is an example of a notifier: it sends to a Gotify server (https://gotify.net/api-docs).
package gotify

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Manifest is the line in notifier/builtin.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind: "gotify", Title: "Gotify", Guarantee: "At least once.",
		Config:      func() any { return &Config{} },
		Destination: func() notifier.Destination { return &Destination{} },
		New: func(c any, d notifier.Deps) (notifier.BaseNotifier, error) {
			return &Notifier{*c.(*Config), d.HTTP}, nil
		},
	}
}

// Config is what stands under `gotify:` in a connection.
type Config struct {
	URL   string          `json:"url" required:"true" doc:"the server: https://gotify.example.org"`
	Token notifier.Secret `json:"token" required:"true" doc:"the application's token: where it is kept"`
}

// Validate finds what the schema cannot.
func (c *Config) Validate() []notifier.Problem {
	if text := exchange.CheckBase(c.URL); text != "" {
		return []notifier.Problem{{Path: "url", Text: text}}
	}
	return nil
}

// Destination is what stands under `gotify:` in a rule's send.
type Destination struct {
	Priority int `json:"priority,omitempty" min:"0" max:"10" doc:"from 8 on, a phone makes a noise"`
}

// Validate finds nothing that the schema does not.
func (d *Destination) Validate() []notifier.Problem { return nil }

// Address is the only place there is: one connection, one application.
func (d *Destination) Address() string { return "gotify" }

// Addresses are what an allow list judges.
func (d *Destination) Addresses() []string { return []string{d.Address()} }

// WithID returns d: it has no second name.
func (d *Destination) WithID(string) notifier.Destination { return d }

// Notifier sends as one of Gotify's applications.
type Notifier struct {
	config Config
	http   *http.Client
}

// Send posts m. The receipt holds the message's id.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	to, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("gotify: destination is a %T", d)
	}
	token, err := n.config.Token.Value()
	if err != nil {
		return nil, notifier.Retry.Errorf("gotify: token: %w", err)
	}
	title, text := notifier.Cut(notifier.OneLine(m.Title), 200), notifier.Cut(email.Text(m), 8000)
	body, err := exchange.JSON(map[string]any{"title": title, "message": text, "priority": to.Priority})
	if err != nil {
		return nil, notifier.Permanent.Errorf("gotify: %w", err)
	}
	service := exchange.Service{Name: "gotify", Secrets: []string{token}, Client: n.http}
	header := http.Header{"Content-Type": {"application/json"}, "X-Gotify-Key": {token}}
	answer, err := service.Do(ctx, http.MethodPost, strings.TrimRight(n.config.URL, "/")+"/message", header, string(body))
	if err != nil {
		return nil, err
	}
	var said struct {
		ID   json.Number `json:"id"`
		Text string      `json:"errorDescription"`
	}
	if err := json.Unmarshal(answer.Body, &said); err != nil || said.ID == "" || answer.Status != http.StatusOK { // 200 may be a proxy's
		return nil, service.Refused(exchange.VerdictOfOther(answer.Status), answer, service.Quote(said.Text, 300), "")
	}
	return notifier.Receipt{"id": said.ID.String()}, nil
}
