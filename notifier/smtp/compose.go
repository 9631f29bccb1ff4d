package smtp

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
)

// composed is a mail ready to go.
type composed struct {
	id         string // its Message-ID
	thread     string // that of the mail it refers to
	recipients []string
	raw        []byte
}

// compose makes the mail that holds m.
func (n *Notifier) compose(d *Destination, m notifier.Message) (composed, error) {
	people, err := d.people().Parse()
	if err != nil {
		return composed{}, err
	}
	made := composed{id: "<" + localID(m.Key) + "@" + n.from.Domain() + ">", thread: d.thread()}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(shown(n.from))
	msg.ToMailAddress(made.add(people.To)...)
	if len(people.Cc) > 0 {
		msg.CcMailAddress(made.add(people.Cc)...)
	}
	made.add(people.Bcc)
	if people.ReplyTo != nil {
		msg.ReplyToMailAddress(shown(*people.ReplyTo))
	}
	n.headers(msg, made, d.subject(m))
	if err := content(msg, d, m); err != nil {
		return composed{}, err
	}
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		return composed{}, fmt.Errorf("write mail: %w", err)
	}
	made.raw = raw.Bytes()
	return made, nil
}

// add makes the addresses recipients, and returns them as headers show them.
func (c *composed) add(all []email.Address) []*netmail.Address {
	var made []*netmail.Address
	for _, a := range all {
		c.recipients = append(c.recipients, a.Addr)
		made = append(made, shown(a))
	}
	return made
}

// shown is an address as headers show it. A long name without a space in it would make a line longer than there may be.
func shown(a email.Address) *netmail.Address {
	const longest = 100
	return &netmail.Address{Name: notifier.Cut(notifier.OneLine(a.Name), longest), Address: a.Addr}
}

func (n *Notifier) headers(msg *mail.Msg, made composed, subject string) {
	msg.Subject(subject)
	msg.SetDateWithValue(time.Now())
	msg.SetMessageIDWithValue(strings.Trim(made.id, "<>"))
	msg.SetGenHeader(mail.HeaderUserAgent, "flyte-notifier")
	if made.thread != "" {
		msg.SetGenHeader(mail.HeaderInReplyTo, made.thread)
		msg.SetGenHeader(mail.HeaderReferences, made.thread)
	}
	for _, h := range email.Headers(n.config.ListUnsubscribe) {
		msg.SetGenHeader(mail.Header(h.Name), h.Value)
	}
}

func content(msg *mail.Msg, d *Destination, m notifier.Message) error {
	whole, long := email.WholeError(m)
	if long = long && d.Attach != attachNone; long {
		m.Notes = append(m.Notes[:len(m.Notes):len(m.Notes)], "The whole error text is attached.")
	}
	html, err := email.HTML(m)
	if err != nil {
		return err
	}
	msg.SetBodyString(mail.TypeTextPlain, email.Text(m))
	msg.AddAlternativeString(mail.TypeTextHTML, html)
	if long {
		return msg.AttachReader("error.txt", strings.NewReader(whole), mail.WithFileContentType("text/plain; charset=utf-8"))
	}
	return nil
}

// localID is the first part of a Message-ID: the same for each attempt of one delivery, so that copies can be told.
func localID(key string) string {
	if key == "" { // of no delivery
		return "flyte-notifier." + strings.ToLower(rand.Text())
	}
	sum := sha256.Sum256([]byte(key))
	return "flyte-notifier." + hex.EncodeToString(sum[:16])
}

// subject is the destination's own, or the message's title.
func (d *Destination) subject(m notifier.Message) string {
	return email.Subject(cmp.Or(notifier.OneLine(d.Subject), m.Title))
}

// Preview returns the subject and the text part of the mail that holds m.
func (d *Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	return notifier.Preview{Subject: d.subject(m), Text: email.Text(m)}, nil
}
