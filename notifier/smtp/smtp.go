// Package smtp delivers messages as e-mails through any mail server that speaks SMTP (RFC 5321). Everything that
// knows SMTP is here: TLS, logging in, the dialogue, what replies mean. It makes one connection a send, and neither
// waits nor tries again.
package smtp

import (
	"context"
	"fmt"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
)

// Kind is the key of SMTP in specs and in the server's config.
const Kind = "smtp"

// Manifest describes the notifier to the registry.
func Manifest() notifier.Manifest {
	return notifier.Manifest{
		Mail:        true,
		Kind:        Kind,
		Title:       "SMTP",
		Destination: func() notifier.Destination { return &Destination{} },
		Config:      func() any { return &Config{} },
		New:         open,
		Guarantee: "At least once: a mail server cannot be asked whether it took a mail, so when its last answer is lost " +
			"the mail is sent again. Copies have the same Message-ID, by which many mail systems show them once.",
	}
}

func open(config any, _ notifier.Deps) (notifier.BaseNotifier, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("open smtp: config is a %T", config)
	}
	return New(*c)
}

// Notifier sends through one server as one user. It is also a notifier.Checker, and safe for concurrent use.
type Notifier struct {
	config Config
	from   email.Address
}

var (
	_ notifier.BaseNotifier = (*Notifier)(nil)
	_ notifier.Checker      = (*Notifier)(nil)
	_ notifier.Threaded     = (*Destination)(nil)
	_ notifier.Gatherer     = (*Destination)(nil)
	_ notifier.Previewer    = (*Destination)(nil)
)

// New returns a notifier for the config. It fails when the password or the file of certificates cannot be read,
// naming them. Both are read again for every mail, so that rotated ones are taken up.
func New(c Config) (*Notifier, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("open smtp: %s", problems[0])
	}
	from, err := email.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("open smtp: from: %w", err)
	}
	n := &Notifier{config: c, from: from}
	if _, err := n.password(); err != nil {
		return nil, fmt.Errorf("open smtp: password: %w", err)
	}
	if _, err := c.secure(); err != nil {
		return nil, fmt.Errorf("open smtp: %w", err)
	}
	return n, nil
}

// password is empty where nobody logs in.
func (n *Notifier) password() (string, error) {
	if n.config.Username == "" {
		return "", nil
	}
	return n.config.Password.Value()
}

// Send mails m to all addresses of d at once. Where the server refuses some of them for good, the mail goes to the
// others, and the receipt names the refused; where it wants some of them to be tried later, nothing is sent yet, for
// the others would get the mail twice. Errors name the step of the dialogue and the server's reply.
func (n *Notifier) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	to, ok := d.(*Destination)
	if !ok {
		return nil, notifier.Permanent.Errorf("smtp: destination is a %T", d)
	}
	if problems := to.Validate(); len(problems) > 0 {
		return nil, notifier.Permanent.Errorf("smtp: %s", notifier.Printable(problems[0].String()))
	}
	mail, err := n.compose(to, m)
	if err != nil {
		return nil, notifier.Permanent.Errorf("smtp: %w", err)
	}
	s, err := n.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	refused, answer, err := s.deliver(n.from.Addr, mail)
	if err != nil {
		return nil, err
	}
	return receipt(mail, refused, answer), nil
}

func receipt(mail composed, refused []string, answer string) notifier.Receipt {
	r := notifier.Receipt{receiptID: mail.id}
	for key, value := range map[string]string{receiptThread: mail.thread, receiptAnswer: answer, receiptRefused: strings.Join(refused, "; ")} {
		if value != "" {
			r[key] = value
		}
	}
	return r
}
