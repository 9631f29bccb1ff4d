// Package notifier says HOW a message reaches people: one folder below it for each service.
//
// A notifier sends one message to one destination and says what came of it. It never decides
// when to send, never retries and never sleeps: the executor decides, the delivery package
// retries. This package imports nothing of ours, so that a notifier can be read, tested and
// written alone.
package notifier

import (
	"context"
	"strings"
	"time"
)

// BaseNotifier sends messages to one service with one set of credentials. It is the
// BaseNotifier of the Flytekit RFC "Notification System". Implementations are safe for
// concurrent use.
type BaseNotifier interface {
	// Send delivers m to d and returns what the service gave back. d is the destination type
	// of the notifier's manifest, its templates already rendered. The error, if any, is
	// classified by VerdictOf; an error that no verdict wraps counts as Unknown, because
	// nothing then says that the message did not arrive.
	Send(ctx context.Context, d Destination, m Message) (Receipt, error)
}

// Looker is a BaseNotifier that can ask its service whether a message was delivered. It makes
// deliveries effectively once: after an unknown outcome the outbox looks before it sends again.
type Looker interface {
	// Look searches d for the message with this key, sent at or after since. found is false
	// when the service answered and the message is not there. An error wrapping
	// ErrLookImpossible means that it can never be answered (a missing scope, say); any
	// other error means try again later and do not send yet.
	Look(ctx context.Context, d Destination, key string, since time.Time) (r Receipt, found bool, err error)
}

// Resolver is a BaseNotifier whose destinations have a second, exact name (a Slack channel's id).
type Resolver interface {
	// Resolve returns d with its exact name filled in, and every name under which an allow
	// list may know it. Its error is classified like Send's; nothing has been sent.
	Resolve(ctx context.Context, d Destination) (Resolved, error)
}

// Resolved is what Resolver.Resolve found. It is cached in the store, so ID and Names are all of it.
type Resolved struct {
	// ID is the service's exact name of the destination (Slack: a channel id); empty when the
	// service would not tell, and then the destination is used as it was written.
	ID string `json:"id,omitempty"`
	// Names are the names an allow list may know the destination by, ID among them.
	Names []string `json:"names,omitempty"`
}

// Checker is a BaseNotifier that can say whether its credentials work without sending anything.
type Checker interface {
	// Check returns nil when the service accepts the credentials, else an error that names
	// what is wrong and how to mend it.
	Check(ctx context.Context) error
}

// Adviser is a BaseNotifier that can say what works less well than it could, such as for a permission that is not given.
type Adviser interface {
	// Advise returns a line for each, with its mend; none where all is well or the service does not tell.
	Advise(ctx context.Context) ([]string, error)
}

// Destination is where in a service a message goes: a notifier's own struct, decoded strictly
// from the keys beside `connection` in a spec's `send` entry by their json tags.
//
// With Validate() []Problem it says what the schema of its keys cannot: every problem, paths relative to it ("channel"). That is
// asked of the literal spec, where strings may still be templates (see IsTemplate), and again after rendering.
type Destination interface {
	// Address is the destination in one line, for tables, lanes and rates ("#ml-alerts").
	// Two destinations with one address share an order and a rate.
	Address() string
}

// Several is a Destination of more than one place, or one that an allow list knows otherwise than tables do.
type Several interface {
	// Addresses are all single places named: what an allow list judges one by one. A direct
	// message is prefixed ("email:ml@example.org"), as is each kind that is not the usual one.
	Addresses() []string
}

// Addresses are the single places of a destination: Several's, else its only Address.
func Addresses(d Destination) []string {
	if several, ok := d.(Several); ok {
		return several.Addresses()
	}
	return []string{d.Address()}
}

// Exact is a Destination with the second name that a Resolver finds.
type Exact interface {
	// WithID returns a copy that uses it.
	WithID(id string) Destination
}

// Hosted is a Destination that may name a server, where the connection leaves that to it: one that fails is no reason
// to wait for another.
type Hosted interface {
	// Host is the server's name; empty where it is the connection's.
	Host() string
}

// Problem is one fault in something a user wrote: where, and what.
type Problem struct {
	Path string // "send[0].slack.channel"; empty for the whole
	Text string // "required"
}

// Join is problems in one line.
func Join(problems []Problem) string {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// String is the problem as users read it: "path: text".
func (p Problem) String() string {
	if p.Path == "" {
		return p.Text
	}
	return p.Path + ": " + p.Text
}

// Status is the color of a message: what kind of news it is.
type Status string

// The statuses, from good to bad; Info is neutral.
const (
	Success Status = "success"
	Info    Status = "info"
	Warning Status = "warning"
	Failure Status = "failure"
)

// Symbol tells the kind of news by its shape as well as by its color.
func (s Status) Symbol() string {
	switch s {
	case Success:
		return "✅"
	case Failure:
		return "❌"
	case Warning:
		return "⚠️"
	}
	return "ℹ️"
}

// Message is what to say, in no service's own form. All texts are plain text, but for a Body that is Markdown:
// notifiers escape them, and cut them to their service's limits saying so.
type Message struct {
	Key    string // the delivery's id: the same for every attempt, unique to this message and destination
	Status Status // for color and symbol
	Title  string // one line
	Body   string // lines; empty when Facts and Error say all
	// Markdown says that Body is: notifiers whose service shows the like convert it, all others show it as it is.
	Markdown bool           `json:",omitzero"`
	Items    []Item         `json:",omitempty"` // of a message that tells of several things: what Body says of them, for those who show lists
	More     int            `json:",omitempty"` // how many more there are than Items
	Facts    []Fact         // short name-value pairs, in order
	Error    string         // error text, shown as it is, in a fixed-width font
	Links    []Link         // where to look further, the console first
	Notes    []string       // small print: that a template failed, for example
	Reason   string         // why it is sent: "phase:FAILED"
	Time     time.Time      // when the occurrence happened, UTC
	Vars     map[string]any // every template variable by its name, for a service's own templates
}

// Fact is one name and its value, such as Workflow and its name.
type Fact struct {
	Name  string
	Value string
	URL   string // where the value leads to; may be empty
}

// Link is a text that leads to a URL.
type Link struct {
	Text string
	URL  string
}

// Receipt is what a service gave back for a delivered message: {"channel": "C1", "ts": "1.2"}
// from Slack, {"message_id": "..."} from SendGrid. Keys are lower snake case.
type Receipt map[string]string
