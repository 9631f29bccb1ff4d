package webhook

import (
	"fmt"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Mattermost's limit is 16,383 characters of text, and attachments, which it keeps beside it, may be larger. These stay
// below it: https://developers.mattermost.com/integrate/webhooks/incoming/
const (
	mattermostTitle = 300
	mattermostBody  = 4000
	mattermostText  = 10_000 // body, error and links
	mattermostFacts = 25
	mattermostValue = 500
	mattermostNotes = 1000
)

// mattermostMessage is what is posted.
// https://developers.mattermost.com/integrate/reference/message-attachments/
type mattermostMessage struct {
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	Fallback string            `json:"fallback"`
	Color    string            `json:"color"`
	Text     string            `json:"text"`
	Fields   []attachmentField `json:"fields,omitempty"`
	Footer   string            `json:"footer,omitempty"`
}

type attachmentField struct {
	Short bool   `json:"short"`
	Title string `json:"title"`
	Value string `json:"value"`
}

// mattermost has no means to say that a text mentions nobody, and looks for mentions in attachments as well. A gap
// behind each @ is what keeps it from finding any.
func mattermost(m notifier.Message) mattermostMessage {
	c := contentOf(m, mattermostFacts)
	shown := dialect{escape: markdown, size: utf8.RuneCountInString, links: true}
	plain := dialect{escape: unmentioned, size: utf8.RuneCountInString}
	heading := shown
	heading.links = false
	a := attachment{
		Fallback: plain.text(c.title, mattermostTitle), Color: fmt.Sprintf("#%06X", c.color()),
		Text:   "**" + heading.text(c.title, mattermostTitle) + "**",
		Footer: plain.text(c.footer, mattermostNotes),
	}
	if text := marked(c, shown, mattermostBody, mattermostText); text != "" {
		a.Text += "\n\n" + text
	}
	for _, f := range c.facts {
		a.Fields = append(a.Fields, attachmentField{true, plain.text(f.Name, mattermostValue), linked(shown, f, mattermostValue)})
	}
	return mattermostMessage{[]attachment{a}}
}
