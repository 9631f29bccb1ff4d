package slack

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

var (
	// channelID matches ids of channels, groups and direct messages; names have no capitals.
	channelID = regexp.MustCompile(`^[CGD][A-Z0-9]+$`)
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]{5,}$`)
)

// maxChannelName is the longest name that Slack gives a channel.
const maxChannelName = 80

// Destination is a channel, or the direct message with a person.
//
// Messages stand apart unless a thread or an update is asked for: a reply shows nowhere but in its thread, and an
// edited message notifies nobody, so that news would be missed by those who did not choose it.
type Destination struct {
	Channel   string `json:"channel,omitempty" doc:"a channel's name (#ml-alerts) or id (C0123456789)"`
	Email     string `json:"email,omitempty" doc:"a person's e-mail address in Slack, for a direct message"`
	Thread    string `json:"thread,omitempty" enum:"execution,none" doc:"execution: the first message about an execution begins a thread, the others are replies in it; none, the default: they stand apart"`
	Broadcast bool   `json:"broadcast,omitempty" doc:"with a thread: a reply that tells of a failure is shown in the channel as well"`
	Update    bool   `json:"update,omitempty" doc:"one message about each execution, edited in place as its state changes, instead of a new one each time; nobody is notified of an edit"`
	Blocks    []any  `json:"blocks,omitempty" doc:"the message in Block Kit of your own; texts are templates, and the values they put in are escaped"`
	Mention   People `json:"mention,omitempty" doc:"whom the message mentions: owner, @user-group, ids (U0123456789, S0123456789) and e-mail addresses, one or a list"`
	MentionOn string `json:"mention_on,omitempty" enum:"failure,always" doc:"failure, the default: only messages that tell of a failure mention; always: all do"`

	Attach string `json:"attach,omitempty" enum:"error,none" doc:"error, the default: the whole error text as a file in the message's thread, where the message shows only a part; none: no file"`

	mentioned string // in mrkdwn, found when it is sent

	id   string           // exact, as WithID was told
	root notifier.Receipt // as WithRoot was told
}

// Validate returns what is wrong with the keys; templates are judged once they are rendered.
func (d *Destination) Validate() []notifier.Problem {
	return slices.Concat(d.checkPlace(), d.checkThread(), d.checkMention(), d.checkAttach())
}

func (d *Destination) checkPlace() []notifier.Problem {
	switch {
	case d.Channel == "" && d.Email == "":
		return []notifier.Problem{{Path: "channel", Text: "required, unless email is given"}}
	case d.Channel != "" && d.Email != "":
		return []notifier.Problem{{Path: "email", Text: "not both channel and email"}}
	case d.Channel != "":
		return problem("channel", checkChannel(d.Channel))
	}
	return problem("email", checkEmail(d.Email))
}

func (d *Destination) checkMention() []notifier.Problem {
	switch {
	case d.MentionOn != "" && d.MentionOn != mentionFailure && d.MentionOn != mentionAlways:
		return problem("mention_on", "must be one of failure, always")
	case d.MentionOn != "" && len(d.Mention) == 0:
		return problem("mention_on", "needs mention")
	}
	return nil
}

func (d *Destination) checkAttach() []notifier.Problem {
	if d.Attach != "" && d.Attach != "error" && d.Attach != attachNone {
		return problem("attach", "must be one of error, none")
	}
	return nil
}

func (d *Destination) checkThread() (problems []notifier.Problem) {
	threaded := d.Thread == threadExecution
	if d.Thread != "" && d.Thread != threadNone && !threaded {
		problems = append(problems, problem("thread", "must be one of execution, none")...)
	}
	if d.Update && threaded {
		problems = append(problems, problem("update", "not both update and thread: execution")...)
	}
	if d.Broadcast && !threaded {
		problems = append(problems, problem("broadcast", "needs thread: execution")...)
	}
	return problems
}

func problem(path, text string) []notifier.Problem {
	if text == "" {
		return nil
	}
	return []notifier.Problem{{Path: path, Text: text}}
}

func checkChannel(s string) string {
	name := strings.TrimPrefix(s, "#")
	switch {
	case notifier.IsTemplate(s):
		return ""
	case strings.HasPrefix(s, "@"), userID.MatchString(s):
		return "must be a channel; for a person give email instead"
	case name == "" || len(name) > maxChannelName || strings.ContainsAny(name, " \t\r\n,#@<>|"):
		return "must be a channel's name, such as #ml-alerts, or its id"
	}
	return ""
}

func checkEmail(s string) string {
	if notifier.IsTemplate(s) {
		return ""
	}
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return "must be an e-mail address, such as ada@example.org"
	}
	return ""
}

// Address is "#name", an id, or "email:" and the address.
func (d *Destination) Address() string {
	switch {
	case d.Email != "":
		return "email:" + strings.ToLower(d.Email)
	case channelID.MatchString(d.Channel):
		return d.Channel
	}
	return "#" + strings.TrimPrefix(d.Channel, "#")
}

// WithID returns a copy that posts to the conversation of this id.
func (d *Destination) WithID(id string) notifier.Destination {
	exact := *d
	exact.id = id
	return &exact
}

// exactID is the id where it is known: told by WithID, or written as the channel.
func (d *Destination) exactID() string {
	if d.id == "" && d.Email == "" && channelID.MatchString(d.Channel) {
		return d.Channel
	}
	return d.id
}

// target is what chat.postMessage takes; empty for a person whose id is not known.
func (d *Destination) target() string {
	if id := d.exactID(); id != "" {
		return id
	}
	if d.Email != "" {
		return ""
	}
	return d.Address()
}
