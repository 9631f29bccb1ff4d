// Package telegram delivers messages through Telegram's Bot API. Everything that knows Telegram is here: its HTML, its
// limits, what its answers mean. It makes one request a send, and neither waits nor tries again.
package telegram

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Kind is the key of Telegram in specs and in the server's config.
const Kind = "telegram"

// The keys of a receipt.
const (
	receiptChat    = "chat_id" // always the id, whatever the destination says
	receiptMessage = "message_id"
)

// Manifest describes the notifier to the registry.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind:        Kind,
		Title:       "Telegram",
		Destination: func() notifier.Destination { return &Destination{} },
		Config:      func() any { return &Config{} },
		New:         open,
		Rate:        notifier.Rate{PerSecond: 1, Burst: 1}, // https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
		Guarantee: "At least once: Telegram cannot be asked whether a message arrived, so after an unknown outcome it is " +
			"sent again. An edit may be repeated without harm.",
	}
}

func open(config any, d notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("open telegram: config is a %T", config)
	}
	return New(*c, d.HTTP)
}

// Notifier sends as one bot. It is also a notifier.Updater and notifier.Checker, and safe for concurrent use.
type Notifier struct {
	config Config
	http   *http.Client
}

var (
	_ notifier.BaseNotifier = (*Notifier)(nil)
	_ notifier.Updater      = (*Notifier)(nil)
	_ notifier.Checker      = (*Notifier)(nil)
	_ notifier.Threaded     = (*Destination)(nil)
	_ notifier.Gatherer     = (*Destination)(nil)
	_ notifier.Previewer    = (*Destination)(nil)
)

// New returns a notifier for the config. It fails when the token cannot be read, naming its reference. The token is
// read again at every call, so that a rotated one is taken up.
func New(c Config, client *http.Client) (*Notifier, error) {
	if _, err := c.token(); err != nil {
		return nil, fmt.Errorf("open telegram: token: %w", err)
	}
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return &Notifier{config: c, http: client}, nil
}

// Send posts m with sendMessage. The receipt holds chat_id and message_id. Errors name Telegram's code and description.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	to, err := destination(d)
	if err != nil {
		return nil, err
	}
	answer, service, err := n.call(ctx, "sendMessage", to.request(m))
	if err != nil {
		return nil, err
	}
	r := read(answer)
	if answer.Status != http.StatusOK || !r.OK || r.Result.MessageID == 0 {
		return nil, refused(service, answer)
	}
	return notifier.Receipt{receiptChat: strconv.FormatInt(r.Result.Chat.ID, 10), receiptMessage: strconv.FormatInt(r.Result.MessageID, 10)}, nil
}

// Update edits a message with editMessageText.
func (n *Notifier) Update(ctx context.Context, d notifier.Destination, of notifier.Receipt, m notifier.Message) (notifier.Receipt, error) {
	to, err := destination(d)
	if err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(of[receiptMessage], 10, 64)
	if err != nil || of[receiptChat] == "" || strings.Trim(to.ChatID, "-0123456789") == "" && to.ChatID != of[receiptChat] {
		return nil, notifier.Permanent.Errorf("telegram: the message is not in chat %s: %w", to.Address(), notifier.ErrMessageGone)
	}
	edit := request{ChatID: of[receiptChat], MessageID: id, Text: text(m), ParseMode: "HTML", Previews: previews{Disabled: true}}
	answer, service, err := n.call(ctx, "editMessageText", edit)
	if err != nil {
		return nil, exchange.Reading(err) // an edit may be repeated as a question may
	}
	r := read(answer)
	if answer.Status == http.StatusOK && r.OK || strings.Contains(strings.ToLower(r.Description), "message is not modified") {
		return of, nil
	}
	return nil, exchange.Reading(refused(service, answer))
}

// Check asks Telegram with getMe whether the token works. Whether the bot may post in a chat shows only when it does.
func (n *Notifier) Check(ctx context.Context) error {
	answer, service, err := n.call(ctx, "getMe", struct{}{})
	switch {
	case err != nil:
		return exchange.Reading(err)
	case answer.Status != http.StatusOK || !read(answer).OK:
		return exchange.Reading(refused(service, answer))
	}
	return nil
}

// call makes one request with the token as it is now.
func (n *Notifier) call(ctx context.Context, method string, body any) (exchange.Answer, exchange.Service, error) {
	token, err := n.config.token()
	if err != nil {
		return exchange.Answer{}, exchange.Service{}, notifier.Retry.Errorf("telegram: token: %w", err)
	}
	_, hidden, _ := strings.Cut(token, ":")
	service := exchange.Service{Name: Kind, Secrets: []string{token, hidden}, Client: n.http}
	answer, err := service.PostJSON(ctx, n.config.method(token, method), body)
	return answer, service, err
}

func destination(d notifier.Destination) (*Destination, error) {
	to, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("telegram: destination is a %T", d)
	}
	if !chatForm.MatchString(to.ChatID) {
		return nil, notifier.Permanent.Errorf("telegram: chat_id: must be a channel's name or a chat's id")
	}
	return to, nil
}

// request is the body of sendMessage and of editMessageText.
type request struct {
	ChatID    string   `json:"chat_id"`
	ThreadID  int64    `json:"message_thread_id,omitempty"`
	MessageID int64    `json:"message_id,omitempty"`
	Text      string   `json:"text"`
	ParseMode string   `json:"parse_mode"`
	Previews  previews `json:"link_preview_options"`
	Silent    bool     `json:"disable_notification,omitempty"`
}

type previews struct {
	Disabled bool `json:"is_disabled"`
}

func (d *Destination) request(m notifier.Message) request {
	return request{ChatID: d.ChatID, ThreadID: d.ThreadID, Text: text(m), ParseMode: "HTML", Previews: previews{Disabled: true}, Silent: d.Silent}
}

// Preview returns the arguments of sendMessage that hold m. No token is needed, and nobody is called.
func (d *Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	raw, err := exchange.JSON(d.request(m))
	if err != nil {
		return notifier.Preview{}, fmt.Errorf("preview for telegram: %w", err)
	}
	return notifier.Preview{Payload: raw}, nil
}
