// Package sendgrid delivers messages as e-mails through SendGrid's Web API v3. Everything that
// knows SendGrid is here: its request, its limits, what its answers mean. It makes one request a
// send, and neither waits nor tries again.
package sendgrid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Kind is the key of SendGrid in specs and in the server's config.
const Kind = "sendgrid"

// Manifest describes the notifier to the registry.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Mail:        true,
		Kind:        Kind,
		Title:       "SendGrid",
		Destination: func() notifier.Destination { return &Destination{} },
		Config:      func() any { return &Config{} },
		New:         open,
		Guarantee: "At least once: SendGrid cannot be asked whether a mail was taken, so after an unknown outcome it is " +
			"sent again. Its custom argument flyte_notifier_key tells copies of one mail.",
	}
}

func open(config any, d notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("open sendgrid: config is a %T", config)
	}
	return New(*c, d.HTTP)
}

// Notifier sends with one API key. It is also a notifier.Checker and a notifier.Listener, and safe for concurrent use.
type Notifier struct {
	config Config
	from   email.Address
	http   *http.Client
}

var (
	_ notifier.BaseNotifier = (*Notifier)(nil)
	_ notifier.Checker      = (*Notifier)(nil)
	_ notifier.Listener     = (*Notifier)(nil)
)

// New returns a notifier for the config. It fails when the API key cannot be read, naming its
// reference. The key is read again for every mail, so that a rotated one is taken up.
func New(c Config, client *http.Client) (*Notifier, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("open sendgrid: %s", problems[0])
	}
	from, err := email.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("open sendgrid: from: %w", err)
	}
	if _, err := c.apiKey(); err != nil {
		return nil, fmt.Errorf("open sendgrid: api_key: %w", err)
	}
	if err := c.EventKey.check(); err != nil {
		return nil, fmt.Errorf("open sendgrid: %w", err)
	}
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return &Notifier{config: c, from: from, http: client}, nil
}

// Send mails m to all addresses of d at once. The receipt holds the message_id, but for sandbox
// mode. Errors name SendGrid's status, message and field.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	to, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("sendgrid: destination is a %T", d)
	}
	if problems := to.Validate(); len(problems) > 0 {
		return nil, notifier.Permanent.Errorf("sendgrid: %s", notifier.Printable(problems[0].String()))
	}
	body, err := n.body(to, m)
	if err != nil {
		return nil, notifier.Permanent.Errorf("sendgrid: %w", err)
	}
	c, err := n.call()
	if err != nil {
		return nil, err
	}
	answer, err := c.do(ctx, rest.Post, "/v3/mail/send", body)
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusAccepted:
		return c.receipt(answer), nil
	case answer.StatusCode == http.StatusOK && n.config.Sandbox:
		return nil, nil
	}
	return nil, c.refused(answer)
}

func (c *call) receipt(answer *rest.Response) notifier.Receipt {
	id := c.Quote(http.Header(answer.Headers).Get("X-Message-Id"), 200)
	if id == "" {
		return nil
	}
	return notifier.Receipt{"message_id": id}
}

// call is one request to SendGrid with the API key as it is now.
type call struct {
	exchange.Service
	config Config
	key    string
}

func (n *Notifier) call() (*call, error) {
	key, err := n.config.apiKey()
	if err != nil {
		return nil, notifier.Retry.Errorf("sendgrid: api_key: %w", err)
	}
	return &call{exchange.Service{Name: Kind, Secrets: []string{key}, Client: n.http}, n.config, key}, nil
}

// apiKey reads the key, and refuses one that cannot be in a header.
func (c Config) apiKey() (string, error) {
	key, err := c.APIKey.Value()
	if err != nil {
		return "", err
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("secret " + c.APIKey.String() + " holds white space or other characters that no key has")
	}
	return key, nil
}

// do makes the request. Without an answer, the error says whether anything can have arrived.
func (c *call) do(ctx context.Context, method rest.Method, path string, body []byte) (*rest.Response, error) {
	request := sendgrid.GetRequest(c.key, path, strings.TrimSuffix(string(c.config.Host), "/"))
	if c.config.Host == "" && c.config.DataResidency != "" {
		var err error // the library's function would overwrite a host
		if request, err = sendgrid.SetDataResidency(request, c.config.DataResidency); err != nil {
			return nil, notifier.Permanent.Errorf("sendgrid: data_residency: %w", err)
		}
	}
	request.Method, request.Body = method, body
	way := c.Way()
	answer, err := (&rest.Client{HTTPClient: way.HTTP()}).SendWithContext(ctx, request)
	if answer != nil && answer.StatusCode != 0 { // an answer that breaks off still has a status
		return answer, nil
	}
	return nil, way.Failed(err)
}
