package sendgrid

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// event is what is needed of one. Other applications may use the account, with custom arguments of any shape.
// See https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
type event struct {
	Event    text   `json:"event"`
	ID       text   `json:"sg_event_id"`
	Key      text   `json:"flyte_notifier_key"`
	Email    text   `json:"email"`
	Time     number `json:"timestamp"`
	Reason   text   `json:"reason"`
	Response text   `json:"response"`
	Kind     text   `json:"type"` // of a bounce: blocked, if the address itself is good
}

// text is a JSON text; whatever else stands there is none.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*t = text(s)
	}
	return nil
}

// number is a JSON number; whatever else stands there is none.
type number int64

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(raw []byte) error {
	var f float64
	if json.Unmarshal(raw, &f) == nil && f > 0 && f < 1<<40 {
		*n = number(f)
	}
	return nil
}

const (
	longestReason = 300 // characters of a server's answer
	longestKey    = 500 // as in body
)

func fateOf(name text) notifier.Fate {
	switch name {
	case "processed":
		return notifier.Processed
	case "deferred":
		return notifier.Deferred
	case "delivered":
		return notifier.Arrived
	case "open":
		return notifier.Opened
	case "click":
		return notifier.Clicked
	case "unsubscribe", "group_unsubscribe":
		return notifier.Unsubscribed
	case "spamreport":
		return notifier.Complained
	case "dropped":
		return notifier.Dropped
	case "bounce":
		return notifier.Bounced
	}
	return ""
}

// news is what the event tells of a mail of ours; ok is false if it does not.
func (e event) news() (n notifier.News, ok bool) {
	fate := fateOf(e.Event)
	if e.Key == "" || len(e.Key) > longestKey || fate == "" {
		return n, false
	}
	n = notifier.News{ID: string(e.ID), Key: string(e.Key), Fate: fate, Text: e.text(fate)}
	if e.Time > 0 {
		n.At = time.Unix(int64(e.Time), 0).UTC()
	}
	if n.ID == "" { // older accounts
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d", e.Event, e.Key, e.Email, e.Time))
		n.ID = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return n, true
}

// text is the event on one line: who, and why.
func (e event) text(fate notifier.Fate) string {
	name := string(fate)
	if e.Kind == "blocked" {
		name += " (blocked)"
	}
	line := fmt.Sprintf("sendgrid: %s %s", name, cutAddress(notifier.OneLine(string(e.Email))))
	if why := notifier.OneLine(string(cmp.Or(e.Reason, e.Response))); why != "" {
		line += ": " + notifier.Cut(addresses.ReplaceAllStringFunc(why, cutAddress), longestReason)
	}
	return line
}

// addresses are those in a server's answer.
var addresses = regexp.MustCompile(`[^\s<>"'()\[\],:;=@]+@[^\s<>"'()\[\],:;=@]+`)

// cutAddress leaves of an address as much as tells people whose it is: a…@example.org.
func cutAddress(address string) string {
	const longest = 100
	at := strings.LastIndexByte(address, '@')
	if at <= 0 {
		return "…"
	}
	_, size := utf8.DecodeRuneInString(address)
	return notifier.Cut(address[:size]+"…"+address[at:], longest)
}
