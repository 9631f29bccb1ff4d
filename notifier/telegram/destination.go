package telegram

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// chatForm matches usernames of channels and public groups, and ids: those of groups are negative.
var chatForm = regexp.MustCompile(`^(@[A-Za-z][A-Za-z0-9_]{3,31}|-?[1-9][0-9]{0,18})$`)

// Destination is a chat: a person, a group or a channel, or a topic of a group.
type Destination struct {
	ChatID   string `json:"chat_id" required:"true" doc:"a channel's or public group's name (@ml_alerts), or the id of any chat as text (\"-1001234567890\")"`
	ThreadID int64  `json:"thread_id,omitempty" min:"1" doc:"a topic of a group that has topics"`
	Silent   bool   `json:"silent,omitempty" doc:"people are notified without a sound"`
	Update   bool   `json:"update,omitempty" doc:"one message about each execution, edited in place as its state changes, instead of a new one each time; nobody is notified of an edit"`
}

// Validate returns what is wrong with the keys; templates are judged once they are rendered.
func (d *Destination) Validate() []notifier.Problem {
	var problems []notifier.Problem
	switch {
	case d.ChatID == "":
		problems = append(problems, notifier.Problem{Path: "chat_id", Text: "required"})
	case !notifier.IsTemplate(d.ChatID) && !chatForm.MatchString(d.ChatID):
		problems = append(problems, notifier.Problem{Path: "chat_id", Text: `must be a channel's name, such as @ml_alerts, or a chat's id, such as "-1001234567890"`})
	}
	if d.ThreadID < 0 {
		problems = append(problems, notifier.Problem{Path: "thread_id", Text: "must be at least 1"})
	}
	return problems
}

// Address is the chat and, after a slash, its topic: an edited message is that of one address.
func (d *Destination) Address() string {
	if d.ThreadID > 0 {
		return d.chat() + "/" + strconv.FormatInt(d.ThreadID, 10)
	}
	return d.chat()
}

// Addresses is the chat, with all of its topics.
func (d *Destination) Addresses() []string { return []string{d.chat()} }

func (d *Destination) chat() string { return strings.ToLower(d.ChatID) }

// Gathered returns a copy whose messages are new ones: one that tells of several executions is no edit of one's.
func (d *Destination) Gathered() notifier.Destination {
	all := *d
	all.Update = false
	return &all
}

// Threading is that of the key `update`.
func (d *Destination) Threading() notifier.Threading {
	if d.Update {
		return notifier.Edits
	}
	return notifier.Apart
}

// WithRoot returns d itself: there are no replies.
func (d *Destination) WithRoot(notifier.Receipt) notifier.Destination { return d }

// Root is the receipt itself: a message is edited, never replied to.
func (d *Destination) Root(r notifier.Receipt) notifier.Receipt { return r }
