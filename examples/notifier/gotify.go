// Package gotify is an example of a notifier: it sends to a Gotify server (https://gotify.net/api-docs).
package gotify

import (
	"context"
	"encoding/json"
	"net/http"

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
	URL   exchange.BaseURL `json:"url" required:"true" doc:"the server: https://gotify.example.org"`
	Token notifier.Secret  `json:"token" required:"true" doc:"the application's token: where it is kept"`
}

// Destination is what stands under `gotify:` in a rule's send.
type Destination struct {
	Priority int `json:"priority,omitempty" min:"0" max:"10" doc:"from 8 on, a phone makes a noise"`
}

// Address is the only place there is: one connection, one application.
func (d *Destination) Address() string { return "gotify" }

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
	service := exchange.Service{Name: "gotify", Secrets: []string{token}, Client: n.http, Header: http.Header{"X-Gotify-Key": {token}}}
	title, text := notifier.Cut(notifier.OneLine(m.Title), 200), notifier.Cut(email.Text(m), 8000)
	answer, err := service.PostJSON(ctx, n.config.URL.Join("message"), map[string]any{"title": title, "message": text, "priority": to.Priority})
	if err != nil {
		return nil, err
	}
	var said struct{ ID json.Number }
	if err := json.Unmarshal(answer.Body, &said); err != nil || said.ID == "" || answer.Status != http.StatusOK { // 200 may be a proxy's
		return nil, service.Refused(exchange.VerdictOfOther(answer.Status), answer, service.Quote(string(answer.Body), 300), "")
	}
	return notifier.Receipt{"id": said.ID.String()}, nil
}
