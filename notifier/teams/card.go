package teams

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Our limits. maxMessage is below the 28 KB that Teams takes, for what a workflow adds.
// https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
const (
	maxMessage = 24_000
	maxText    = 6000 // of body and error, each
	maxLines   = 60
	maxTitle   = 150
	maxFacts   = 20
	maxValue   = 500
	maxLabel   = 80
	maxActions = 6 // more are behind a menu
	maxNotes   = 8
	maxURL     = 1000
)

// message is what a workflow's trigger takes: cards in the form of a bot's message.
type message struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

// card is an Adaptive Card: https://adaptivecards.io/explorer/
type card struct {
	Schema   string    `json:"$schema"`
	Type     string    `json:"type"`
	Version  string    `json:"version"`
	Fallback string    `json:"fallbackText"`
	Teams    teams     `json:"msteams"`
	Body     []element `json:"body"`
	Actions  []action  `json:"actions,omitempty"`
}

// teams is what only Teams knows. It has no entities, without which no text can mention anybody.
type teams struct {
	Width string `json:"width"`
}

// element is a Container, a RichTextBlock or a FactSet.
type element struct {
	Type    string    `json:"type"`
	Style   string    `json:"style,omitempty"`
	Bleed   bool      `json:"bleed,omitempty"`
	Spacing string    `json:"spacing,omitempty"`
	Items   []element `json:"items,omitempty"`
	Inlines []run     `json:"inlines,omitempty"`
	Facts   []fact    `json:"facts,omitempty"`
}

// run is a text of a RichTextBlock, where unlike in a TextBlock Markdown means nothing.
type run struct {
	Type   string  `json:"type"`
	Text   string  `json:"text"`
	Size   string  `json:"size,omitempty"`
	Weight string  `json:"weight,omitempty"`
	Font   string  `json:"fontType,omitempty"`
	Subtle bool    `json:"isSubtle,omitempty"`
	Select *action `json:"selectAction,omitempty"`
}

// fact is shown as Markdown.
type fact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title,omitempty"`
	URL   string `json:"url"`
}

// payload is m as the body of a request, within the limits: long texts are cut, saying so.
func payload(m notifier.Message) ([]byte, error) {
	for limit := maxText; ; limit /= 2 {
		raw, err := exchange.JSON(envelope(m, limit))
		if err != nil || len(raw) <= maxMessage || limit < 16 {
			return raw, err
		}
	}
}

// envelope is m with no text longer than limit, but for what is shorter than 100 anyway.
func envelope(m notifier.Message, limit int) message {
	title := notifier.Cut(m.Status.Symbol()+" "+cmp.Or(notifier.OneLine(m.Title), notifier.OneLine(m.Reason), "Flyte notification"), maxTitle)
	body := []element{{Type: "Container", Style: style(m.Status), Bleed: true, Items: []element{text(run{Text: title, Size: "Large", Weight: "Bolder"})}}}
	if items := lines(m.Body, limit, linked); len(items) > 0 {
		body = append(body, element{Type: "Container", Items: items})
	}
	if facts := facts(m.Facts, min(limit, maxValue)); len(facts) > 0 {
		body = append(body, element{Type: "FactSet", Facts: facts})
	}
	if items := lines(m.Error, limit, monospaced); len(items) > 0 {
		body = append(body, element{Type: "Container", Style: "emphasis", Items: items})
	}
	body = append(body, smallPrint(m, min(limit, maxValue))...)
	return message{"message", []attachment{{"application/vnd.microsoft.card.adaptive", card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Fallback: title, Teams: teams{"Full"}, Body: body, Actions: actions(m.Links),
	}}}}
}

// text is a paragraph of plain text.
func text(runs ...run) element {
	for i := range runs {
		runs[i].Type = "TextRun"
	}
	return element{Type: "RichTextBlock", Inlines: runs}
}

// style is the color of the title's ground.
func style(s notifier.Status) string {
	switch s {
	case notifier.Success:
		return "good"
	case notifier.Failure:
		return "attention"
	case notifier.Warning:
		return "warning"
	}
	return "accent"
}

// facts are those that say something, and how many more there are.
func facts(all []notifier.Fact, limit int) []fact {
	var made []fact
	for _, f := range all[:min(len(all), maxFacts)] {
		name, value := notifier.OneLine(f.Name), notifier.OneLine(f.Value)
		if name == "" && value == "" {
			continue
		}
		value = escape(notifier.Cut(cmp.Or(value, "–"), limit))
		if address := exchange.WebLink(f.URL, min(2*limit, maxURL)); address != "" {
			value = "[" + value + "](" + address + ")"
		}
		made = append(made, fact{escape(notifier.Cut(cmp.Or(name, "–"), min(limit, maxLabel))), value})
	}
	if more := len(all) - maxFacts; more > 0 {
		made = append(made, fact{"…", fmt.Sprintf("%d facts cut", more)})
	}
	return made
}

func actions(links []notifier.Link) []action {
	var made []action
	for _, l := range links {
		address := exchange.WebLink(l.URL, maxURL)
		if address == "" || len(made) == maxActions {
			continue
		}
		made = append(made, action{"Action.OpenUrl", notifier.Cut(cmp.Or(notifier.OneLine(l.Text), address), maxLabel), address})
	}
	return made
}

// smallPrint holds the notes, and why and when.
func smallPrint(m notifier.Message, limit int) []element {
	var made []element
	put := func(s string) {
		if s != "" {
			made = append(made, text(run{Text: notifier.Cut(s, limit), Size: "Small", Subtle: true}))
		}
	}
	for _, note := range m.Notes[:min(len(m.Notes), maxNotes)] {
		put(notifier.OneLine(note))
	}
	why := []string{notifier.Cut(notifier.OneLine(m.Reason), maxLabel)}
	if !m.Time.IsZero() {
		why = append(why, m.Time.UTC().Format(time.DateTime+" UTC"))
	}
	put(strings.Trim(strings.Join(why, " · "), " ·"))
	return made
}
