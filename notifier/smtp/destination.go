package smtp

import (
	"cmp"
	"regexp"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
)

// maxRecipients is how many every server takes in one mail: RFC 5321 section 4.5.3.1.8.
const maxRecipients = 100

// The values of a destination's `thread` and `attach`.
const (
	threadNone = "none"
	attachNone = "none"
)

// The keys of a receipt.
const (
	receiptID      = "message_id" // the mail's Message-ID, in its angle brackets
	receiptThread  = "thread"     // that of the mail which began the thread; only of a reply
	receiptAnswer  = "answer"     // what the server said, with its own id of the mail most times
	receiptRefused = "refused"    // the addresses that the server refused, and why; only when there are any
)

// Destination is to whom a mail goes, and how it looks there.
//
// Mails about one execution are one thread unless told otherwise: each still arrives in the inbox as any mail does.
type Destination struct {
	To      []string `json:"to" required:"true" doc:"addresses: ada@example.org or Ada <ada@example.org>"`
	Cc      []string `json:"cc,omitempty" doc:"addresses that get a copy"`
	Bcc     []string `json:"bcc,omitempty" doc:"addresses that get a copy unseen by the others"`
	ReplyTo string   `json:"reply_to,omitempty" doc:"the address that answers go to"`
	Subject string   `json:"subject,omitempty" doc:"the subject; default the message's title"`
	Thread  string   `json:"thread,omitempty" enum:"execution,none" default:"execution" doc:"execution: mails about one execution refer to the first, so that readers see one thread; none: they stand apart"`
	Attach  string   `json:"attach,omitempty" enum:"error,none" default:"error" doc:"error: the whole error text as a file, where the mail shows only a part; none: no file"`

	root notifier.Receipt // as WithRoot was told
}

// Gathered returns a copy without the subject, which is that of one message, in no execution's thread.
func (d *Destination) Gathered() notifier.Destination {
	all := *d
	all.Subject, all.Thread, all.root = "", threadNone, nil
	return &all
}

// Validate returns what is wrong with the keys; templates are judged once they are rendered.
func (d *Destination) Validate() []notifier.Problem {
	problems := d.people().Validate(maxRecipients)
	for _, s := range d.Addresses() {
		if a, err := email.ParseAddress(s); err == nil && beyondASCII(a) != "" {
			problems = append(problems, notifier.Problem{Path: "to", Text: beyondASCII(a)})
			break
		}
	}
	if d.Thread != "" && d.Thread != "execution" && d.Thread != threadNone {
		problems = append(problems, notifier.Problem{Path: "thread", Text: "must be one of execution, none"})
	}
	if d.Attach != "" && d.Attach != "error" && d.Attach != attachNone {
		problems = append(problems, notifier.Problem{Path: "attach", Text: "must be one of error, none"})
	}
	return problems
}

// Address is the sorted to addresses: mails to the same people keep their order.
func (d *Destination) Address() string { return d.people().Lane() }

// Addresses are all bare addresses, of answers too: reply_to leads people to write there.
func (d *Destination) Addresses() []string { return d.people().All() }

func (d *Destination) people() email.People {
	return email.People{To: d.To, Cc: d.Cc, Bcc: d.Bcc, ReplyTo: d.ReplyTo}
}

// Threading is that of the key `thread`.
func (d *Destination) Threading() notifier.Threading {
	if d.Thread == threadNone {
		return notifier.Apart
	}
	return notifier.Replies
}

// WithRoot returns a copy whose mails refer to the one with this receipt.
func (d *Destination) WithRoot(root notifier.Receipt) notifier.Destination {
	reply := *d
	reply.root = root
	return &reply
}

// Root is the Message-ID of the mail that began the thread which the one with this receipt is in.
func (d *Destination) Root(r notifier.Receipt) notifier.Receipt {
	return notifier.Receipt{receiptID: cmp.Or(r[receiptThread], r[receiptID])}
}

// messageID matches what may stand in a header that refers to another mail.
var messageID = regexp.MustCompile(`^<[!-;=?-~]{1,120}@[!-;=?-~]{1,120}>$`)

// thread is the Message-ID to refer to; empty if there is none.
func (d *Destination) thread() string {
	if id := d.root[receiptID]; d.Threading() == notifier.Replies && messageID.MatchString(id) {
		return id
	}
	return ""
}
