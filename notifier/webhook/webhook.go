// Package webhook delivers messages to any HTTP endpoint: as JSON, as CloudEvents, as a body that the destination makes,
// or as Mattermost, Discord, Google Chat and ntfy want them. It makes one request a send, and neither waits nor tries
// again.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Kind is the key of webhooks in specs and in the server's config.
const Kind = "webhook"

// Manifest describes the notifier to the registry.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind:        Kind,
		Title:       "Webhook",
		Destination: func() notifier.Destination { return &Destination{} },
		Config:      func() any { return &Config{} },
		New:         open,
		Idempotent:  true,
		Names:       names(),
		Guarantee: "At least once, and effectively once for a receiver that heeds the header webhook-id (or Idempotency-Key): it is " +
			"the same on every attempt. Mattermost, Discord, Google Chat and ntfy do not: there a message may come twice after an unknown outcome.",
	}
}

// names are the chats, which people look for as kinds of their own.
func names() map[string]string {
	all := map[string]string{}
	for _, format := range chats() {
		use := "webhook, with format: " + format + " in its connection"
		all[format], all[strings.ReplaceAll(format, "-", "_")] = use, use
	}
	return all
}

func open(config any, d notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("open webhook: config is a %T", config)
	}
	return New(*c, d)
}

// Notifier sends to one URL, or with the same headers and signature to those that tasks give. It is also a
// notifier.Checker, and safe for concurrent use.
type Notifier struct {
	config Config
	deps   notifier.Deps
}

var (
	_ notifier.BaseNotifier         = (*Notifier)(nil)
	_ notifier.Checker              = (*Notifier)(nil)
	_ notifier.AllowJudge           = (*Config)(nil)
	_ notifier.DestinationJudge     = (*Config)(nil)
	_ notifier.DestinationFiller    = (*Config)(nil)
	_ notifier.DestinationPreviewer = (*Config)(nil)
	_ notifier.Rated                = (*Config)(nil)
	_ notifier.Repeatable           = (*Config)(nil)
)

// New returns a notifier for the config. It fails when a secret cannot be read or is none of its kind, naming its
// reference. Secrets are read again for every message, so that rotated ones are taken up. d needs HTTP and Guarded.
func New(c Config, d notifier.Deps) (*Notifier, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("open webhook: %s", problems[0])
	}
	if d.HTTP == nil || d.Guarded == nil {
		return nil, errors.New("open webhook: an HTTP client is missing")
	}
	if d.Private == nil {
		d.Private = d.Guarded
	}
	n := &Notifier{config: c, deps: d}
	if _, err := n.line(); err != nil {
		return nil, fmt.Errorf("open webhook: %w", err)
	}
	return n, nil
}

// Send makes one request with m to the connection's URL, or else the destination's. The receipt holds what the service
// calls the message, where it says so in a way we know, and else the status.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	to, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("webhook: destination is a %T", d)
	}
	if problems := append(to.Validate(), n.config.CheckDestination(to)...); len(problems) > 0 {
		return nil, notifier.Permanent.Errorf("webhook: %s", problems[0])
	}
	l, err := n.line()
	if err != nil {
		return nil, notifier.Retry.Errorf("webhook: %w", err) // whoever mends the secret lets it through
	}
	if err := l.lead(to); err != nil {
		return nil, notifier.Permanent.Errorf("webhook: %w", err)
	}
	r, err := n.config.request(l.url, to, m)
	if err != nil {
		return nil, notifier.Permanent.Errorf("webhook: %w", err)
	}
	if err := l.sign(&r, m.Key); err != nil {
		return nil, notifier.Permanent.Errorf("webhook: %w", err)
	}
	answer, err := l.Do(ctx, r.method, r.url, r.header, string(r.body))
	if err != nil {
		return nil, n.forbidden(err)
	}
	if verdict := n.config.verdictOf(answer); verdict != notifier.Delivered {
		return nil, n.refused(l, verdict, answer)
	}
	return n.config.receipt(l, answer), nil
}

// forbidden adds to the error of an address that must not be reached how the operator lets it be.
func (n *Notifier) forbidden(err error) error {
	if n.config.AllowPrivate || !errors.Is(err, notifier.ErrForbiddenAddress) {
		return err
	}
	return notifier.Permanent.Errorf("%w (allow_private: true of the connection opens private addresses and other ports)", err)
}

// request is what is sent.
type request struct {
	method string
	url    string
	header http.Header
	body   []byte
}

// line is one use of the connection, with its secrets as they are now.
type line struct {
	exchange.Service
	url     *url.URL // nil where the destination gives it
	header  http.Header
	signers []signer
	own     bool // the URL is the connection's
	chat    bool // it takes no heed of ids
	private *http.Client
}

// line reads what the connection refers to.
func (n *Notifier) line() (*line, error) {
	l := &line{Service: exchange.Service{Name: Kind, Client: n.deps.Guarded}, header: http.Header{}, chat: n.config.chat(), private: n.deps.Guarded}
	if n.config.AllowPrivate {
		l.private = n.deps.Private
	}
	if !n.config.URL.IsZero() {
		raw, err := n.config.URL.Value()
		if err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
		if l.url, err = parseOwn(raw); err != nil {
			return nil, fmt.Errorf("url: what is in %s %w", n.config.URL, err)
		}
		if n.config.Format == formatNtfy {
			if err := ntfyLacksTopic(l.url); err != nil {
				return nil, fmt.Errorf("url: what is in %s %w", n.config.URL, err)
			}
		}
		l.own, l.Secrets = true, secretsOf(l.url, raw)
		if n.config.AllowPrivate {
			l.Client = n.deps.HTTP
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.config.Headers)) {
		value := n.config.Headers[name]
		text, err := value.read()
		if err != nil {
			return nil, fmt.Errorf("headers.%s: %w", name, err)
		}
		if !fieldValue(text) {
			return nil, fmt.Errorf("headers.%s: what is in %s holds line breaks or control characters", name, value.Secret)
		}
		l.header.Set(name, text)
		if !value.Secret.IsZero() {
			l.Secrets = append(l.Secrets, credentials(text)...)
		}
	}
	return l, l.signing(n.config.SigningSecret)
}

// lead points the line to where a task says, through a client that goes nowhere else.
func (l *line) lead(to *Destination) error {
	if l.own {
		return nil
	}
	if notifier.IsTemplate(to.URL) {
		return errors.New("url: holds {{ after its template was rendered")
	}
	u, err := parseURL(to.URL)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	l.url, l.Client = u, l.private
	l.Secrets = append(l.Secrets, secretsOf(u, to.URL)...) // it may hold a token all the same
	return nil
}
