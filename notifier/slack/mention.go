package slack

import (
	"context"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// owner stands for whom the connection's config names as the owner of an execution.
const owner = "owner"

const (
	maxMentions = 10
	// mentionTime is how long is spent on finding out whom to mention: the message matters more.
	mentionTime = 3 * time.Second
)

var (
	groupID     = regexp.MustCompile(`^S[A-Z0-9]{5,}$`)
	groupHandle = regexp.MustCompile(`^@[\pL\pN._-]{1,80}$`)
)

// Mentions say whom messages mention.
type Mentions struct {
	Labels []string          `json:"labels,omitempty" doc:"the labels of an execution that name its owner, the first whose value owners has counts; default owner, team"`
	Owners map[string]string `json:"owners,omitempty" doc:"whom to mention (U0123456789, S0123456789, @user-group or an e-mail address) by a label's value, or by a Flyte user"`
}

// Validate returns which owners nobody can be found for.
func (m *Mentions) Validate() (problems []notifier.Problem) {
	for _, name := range sortedKeys(m.Owners) {
		problems = append(problems, problem("owners."+name, checkMention(m.Owners[name]))...)
	}
	return problems
}

// People are those whom a message mentions: owner, or a list.
type People []string

// DecodeStrict reads one text or a list of them.
func (p *People) DecodeStrict(tree any) (problems []notifier.Problem) {
	list, ok := tree.([]any)
	if !ok {
		list = []any{tree}
	}
	*p = nil
	for i, entry := range list {
		at := ""
		if ok {
			at = index("", i)
		}
		text, isText := entry.(string)
		why := "must be a text: owner, @user-group, an id or an e-mail address"
		if isText {
			why = ""
			if text != owner {
				why = checkMention(text)
			}
		}
		if why != "" {
			problems = append(problems, notifier.Problem{Path: at, Text: why})
		}
		*p = append(*p, text)
	}
	if len(list) > maxMentions {
		problems = append(problems, notifier.Problem{Text: fmt.Sprintf("must have at most %d entries, not %d", maxMentions, len(list))})
	}
	return problems
}

// JSONSchema is a text or a list of texts.
func (People) JSONSchema() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{"anyOf": []any{text, map[string]any{"type": "array", "items": text, "maxItems": float64(maxMentions)}}}
}

// checkMention says what is wrong with one that is written in a spec or config.
func checkMention(s string) string {
	switch {
	case notifier.IsTemplate(s):
		return "must not be a template: write owner, and map it in the connection's mentions"
	case s == "@here" || s == "@channel" || s == "@everyone":
		return "must be a user group or a person, not all who are there"
	case userID.MatchString(s), groupID.MatchString(s), groupHandle.MatchString(s):
		return ""
	}
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return "must be @user-group, the id of a user (U0123456789) or group (S0123456789), or an e-mail address"
	}
	return ""
}

// mentions says whether the message shall mention anybody.
func (d *Destination) mentions(m notifier.Message) bool {
	return len(d.Mention) > 0 && (m.Status == notifier.Failure || d.MentionOn == mentionAlways)
}

// The values of a destination's `mention_on`.
const (
	mentionFailure = "failure"
	mentionAlways  = "always"
)

// addressed returns a copy of d that mentions whom it shall, and m with a note for each who cannot be found: nobody's
// absence keeps a message back.
func (n *Notifier) addressed(ctx context.Context, c *call, d *Destination, m notifier.Message) (*Destination, notifier.Message) {
	if !d.mentions(m) {
		return d, m
	}
	ctx, cancel := context.WithTimeout(ctx, mentionTime)
	defer cancel()
	var found, notes []string
	for _, whom := range n.config.Mentions.whom(d.Mention, m) {
		mention, err := n.directory.mention(ctx, c, whom)
		switch {
		case err != nil:
			notes = append(notes, fmt.Sprintf("%s is not mentioned: %s", whom, strings.TrimPrefix(err.Error(), "slack: ")))
		case !slices.Contains(found, mention):
			found = append(found, mention)
		}
	}
	to := *d
	to.mentioned = strings.Join(found, " ")
	m.Notes = append(notes, m.Notes...)
	return &to, m
}

// whom replaces the owner by the one whom the config or a label names, if there is one.
func (m Mentions) whom(people People, of notifier.Message) (all []string) {
	for _, one := range people {
		if one == owner {
			if one = m.owner(of); one == "" {
				one = owner
			}
		}
		all = append(all, one)
	}
	return all
}

// owner is that of the execution which a message is about; empty if nobody knows.
func (m Mentions) owner(of notifier.Message) string {
	labels, _ := of.Vars["Labels"].(map[string]string)
	user, _ := of.Vars["User"].(string)
	names := m.Labels
	if len(names) == 0 {
		names = []string{"owner", "team"}
	}
	var values []string
	for _, name := range names {
		values = append(values, labels[name])
	}
	values = append(values, user)
	for _, value := range values {
		if mapped := m.Owners[value]; value != "" && mapped != "" {
			return mapped
		}
	}
	if a, err := mail.ParseAddress(user); err == nil && a.Address == user {
		return user
	}
	return ""
}

// mentionBlock is the line above a message that mentions people.
func mentionBlock(mentioned string) slack.Block {
	return slack.NewSectionBlock(mrkdwn(mentioned), nil, nil)
}
