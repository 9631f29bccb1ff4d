package sendgrid

import (
	"cmp"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
)

// Preview returns the subject and the text part of the mail that holds m. A dynamic template makes its own of
// the same data, which only SendGrid knows.
func (d *Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	return notifier.Preview{Subject: d.subject(m), Text: email.Text(m)}, nil
}

// subject is the destination's own, or the message's title.
func (d *Destination) subject(m notifier.Message) string {
	return email.Subject(cmp.Or(notifier.OneLine(d.Subject), m.Title))
}
