package sendgrid

import (
	"fmt"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
)

// SendGrid's limits.
const (
	maxRecipients = 1000
	maxCategories = 10
	maxCategory   = 255
)

// Destination is to whom a mail goes, and how it looks there.
type Destination struct {
	To         []string `json:"to" required:"true" doc:"addresses: ada@example.org or Ada <ada@example.org>"`
	Cc         []string `json:"cc,omitempty" doc:"addresses that get a copy"`
	Bcc        []string `json:"bcc,omitempty" doc:"addresses that get a copy unseen by the others"`
	ReplyTo    string   `json:"reply_to,omitempty" doc:"the address that answers go to"`
	Subject    string   `json:"subject,omitempty" doc:"the subject; default the message's title"`
	TemplateID string   `json:"template_id,omitempty" doc:"a dynamic template of SendGrid's (d-...), which gets every template variable, and title, body, subject and status"`
	Categories []string `json:"categories,omitempty" doc:"at most 10, for SendGrid's statistics; an empty one is left out, and one of more than 255 characters cut"`
}

// Validate returns what is wrong with the keys; templates are judged once they are rendered. Whatever a category
// becomes, the mail goes.
func (d *Destination) Validate() []notifier.Problem {
	all := d.people().Validate(maxRecipients)
	add := func(path, format string, args ...any) {
		all = append(all, notifier.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
	}
	if id := d.TemplateID; id != "" && !notifier.IsTemplate(id) && (!strings.HasPrefix(id, "d-") || strings.Trim(id[2:], "0123456789abcdefABCDEF-") != "") {
		add("template_id", "must be the id of a dynamic template, such as d-0123456789abcdef0123456789abcdef")
	}
	if len(d.Categories) > maxCategories {
		add("categories", "%d are more than SendGrid's %d", len(d.Categories), maxCategories)
	}
	return all
}

// Address is the sorted to addresses: mails to the same people keep their order.
func (d *Destination) Address() string { return d.people().Lane() }

// Addresses are all bare addresses, of answers too: reply_to leads people to write there.
func (d *Destination) Addresses() []string { return d.people().All() }

func (d *Destination) people() email.People {
	return email.People{To: d.To, Cc: d.Cc, Bcc: d.Bcc, ReplyTo: d.ReplyTo}
}
