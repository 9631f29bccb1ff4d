package sendgrid

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
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
	Categories []string `json:"categories,omitempty" doc:"at most 10, for SendGrid's statistics"`
}

// Validate returns what is wrong with the keys; templates are judged once they are rendered.
func (d *Destination) Validate() []notifier.Problem {
	c := &problems{}
	if len(d.To) == 0 {
		c.add("to", "required")
	}
	c.addresses("to", d.To)
	c.addresses("cc", d.Cc)
	c.addresses("bcc", d.Bcc)
	if d.ReplyTo != "" {
		c.address("reply_to", d.ReplyTo)
	}
	if n := len(d.To) + len(d.Cc) + len(d.Bcc); n > maxRecipients {
		c.add("to", "%d addresses with cc and bcc, more than SendGrid's %d", n, maxRecipients)
	}
	if id := d.TemplateID; id != "" && !notifier.IsTemplate(id) && (!strings.HasPrefix(id, "d-") || strings.Trim(id[2:], "0123456789abcdefABCDEF-") != "") {
		c.add("template_id", "must be the id of a dynamic template, such as d-0123456789abcdef0123456789abcdef")
	}
	if len(d.Categories) > maxCategories {
		c.add("categories", "%d are more than SendGrid's %d", len(d.Categories), maxCategories)
	}
	for i, category := range d.Categories {
		if notifier.OneLine(category) == "" || utf8.RuneCountInString(category) > maxCategory {
			c.add(fmt.Sprintf("categories[%d]", i), "must have 1 to %d characters", maxCategory)
		}
	}
	return c.all
}

// Address is the sorted to addresses: mails to the same people keep their order.
func (d *Destination) Address() string {
	all := make([]string, len(d.To))
	for i, to := range d.To {
		all[i] = bare(to)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// Addresses are all bare addresses, of answers too: reply_to leads people to write there.
func (d *Destination) Addresses() []string {
	var all []string
	for _, list := range [][]string{d.To, d.Cc, d.Bcc, {d.ReplyTo}} {
		for _, s := range list {
			if a := bare(s); a != "" && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// WithID returns d itself: addresses have no second name.
func (d *Destination) WithID(string) notifier.Destination { return d }

// problems collects them.
type problems struct{ all []notifier.Problem }

func (p *problems) add(path, format string, args ...any) {
	p.all = append(p.all, notifier.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (p *problems) addresses(path string, list []string) {
	for i, s := range list {
		p.address(fmt.Sprintf("%s[%d]", path, i), s)
	}
}

func (p *problems) address(path, s string) {
	if notifier.IsTemplate(s) {
		return
	}
	if _, err := parseAddress(s); err != nil {
		p.add(path, "%s", err)
	}
}
