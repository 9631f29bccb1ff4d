package webhook

import (
	"errors"
	"fmt"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Google Chat's limit is 32,000 bytes for a whole message:
// https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create
const (
	googleMost  = 32_000
	googleTitle = 300
	googleBody  = 6000
	googleError = 8000
	googleFacts = 20
	googleValue = 500
	googleNotes = 1000
)

// chatMessage is what is posted: one card. Mentions are known in text only, which there is none of.
// https://developers.google.com/workspace/chat/api/reference/rest/v1/cards
type chatMessage struct {
	FallbackText string       `json:"fallbackText"`
	Cards        []cardWithID `json:"cardsV2"`
}

type cardWithID struct {
	ID   string `json:"cardId"`
	Card card   `json:"card"`
}

type card struct {
	Header   cardHeader    `json:"header"`
	Sections []cardSection `json:"sections,omitempty"`
}

type cardHeader struct {
	Title    string `json:"title"`
	Subtitle string `json:"subtitle,omitempty"`
}

type cardSection struct {
	Widgets []widget `json:"widgets"`
}

// widget has exactly one of its fields.
type widget struct {
	Paragraph *paragraph  `json:"textParagraph,omitempty"`
	Labeled   *labeled    `json:"decoratedText,omitempty"`
	Buttons   *buttonList `json:"buttonList,omitempty"`
}

type paragraph struct {
	Text string `json:"text"`
}

type labeled struct {
	Label string `json:"topLabel"`
	Text  string `json:"text"`
	Wrap  bool   `json:"wrapText"`
}

type buttonList struct {
	Buttons []button `json:"buttons"`
}

type button struct {
	Text    string  `json:"text"`
	OnClick onClick `json:"onClick"`
}

type onClick struct {
	OpenLink openLink `json:"openLink"`
}

type openLink struct {
	URL string `json:"url"`
}

// googleChat is the message in as many bytes as the service takes: where escapes make it larger, its texts get shorter.
func googleChat(m notifier.Message) ([]byte, error) {
	c := contentOf(m, googleFacts)
	for share := 1; share <= 16; share *= 2 {
		body, err := exchange.JSON(googleCard(c, share))
		if err != nil || len(body) <= googleMost {
			return body, err
		}
	}
	return nil, errors.New("the message does not fit into Google Chat's 32,000 bytes")
}

// googleCard shows the content, each text in one part of so many of its limit.
func googleCard(c content, share int) chatMessage {
	shown := dialect{escape: markup, size: bytesOf}
	plain := dialect{escape: unmentioned, size: bytesOf}
	title := plain.text(c.title, googleTitle)
	made := card{Header: cardHeader{Title: title, Subtitle: c.time}}
	add := func(widgets ...widget) {
		if len(widgets) > 0 {
			made.Sections = append(made.Sections, cardSection{widgets})
		}
	}
	text := func(s string, most int) {
		if s != "" {
			add(widget{Paragraph: &paragraph{shown.text(s, most/share)}})
		}
	}
	text(c.body, googleBody)
	var facts []widget
	for _, f := range c.facts {
		value := shown.text(f.Value, googleValue/share)
		if f.URL != "" && len(f.URL) <= googleValue/share {
			value = fmt.Sprintf(`<a href="%s">%s</a>`, shown.text(f.URL, longestURL), value)
		}
		facts = append(facts, widget{Labeled: &labeled{plain.text(f.Name, 100), value, true}})
	}
	add(facts...)
	text(c.error, googleError)
	var buttons []button
	for _, l := range c.links {
		buttons = append(buttons, button{plain.text(l.Text, 100), onClick{openLink{l.URL}}})
	}
	if len(buttons) > 0 {
		add(widget{Buttons: &buttonList{buttons}})
	}
	text(c.footer, googleNotes)
	return chatMessage{title, []cardWithID{{"notification", made}}}
}
