package slack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Slack's limits, and our own below them. maxMessage is found by trial, not documented: Slack
// refuses a message whose blocks are over some 13,200 characters in all (msg_blocks_too_long).
const (
	maxTitle    = 150
	maxText     = 2_400 // of a text object's 3,000: links made of bare URLs add to it
	bodyParts   = 4     // in how many text objects a body goes at most, or a little more
	maxFallback = 4_000
	maxMessage  = 12_000
	maxFacts    = 20
	maxFields   = 10
	maxValue    = 600
	maxLabel    = 80
	maxLinks    = 8
	maxNotes    = 8 // of a context block's ten elements
	maxNote     = 500
)

// tidy is m with all texts printable, the short ones on one line, and no more parts than are shown.
func tidy(m notifier.Message) notifier.Message {
	m.Title = m.Status.Symbol() + " " + cmp.Or(notifier.OneLine(m.Title), notifier.OneLine(m.Reason), "Flyte notification")
	m.Body, m.Error, m.Reason = notifier.Lines(m.Body), notifier.Lines(m.Error), notifier.OneLine(m.Reason)
	facts, links, notes, items := m.Facts, m.Links, m.Notes, m.Items
	m.Facts, m.Links, m.Notes, m.Items = nil, nil, nil, nil
	for _, item := range items {
		m.Items = append(m.Items, notifier.Item{Time: item.Time, Text: cmp.Or(notifier.OneLine(item.Text), notifier.OneLine(item.URL)), URL: item.URL})
	}
	for _, f := range facts[:min(len(facts), maxFacts)] {
		m.Facts = append(m.Facts, notifier.Fact{Name: notifier.OneLine(f.Name), Value: notifier.OneLine(f.Value), URL: f.URL})
	}
	for _, l := range links[:min(len(links), maxLinks)] {
		m.Links = append(m.Links, notifier.Link{Text: cmp.Or(notifier.OneLine(l.Text), notifier.OneLine(l.URL)), URL: l.URL})
	}
	for _, note := range notes[:min(len(notes), maxNotes)] {
		m.Notes = append(m.Notes, notifier.OneLine(note))
	}
	if more := len(facts) - maxFacts; more > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("… (%d facts cut)", more))
	}
	return m
}

// blocks is a tidy message in Block Kit, within Slack's limits: long texts are cut, saying so.
func blocks(m notifier.Message) []slack.Block {
	for limit := maxText; ; limit /= 2 {
		made := compose(m, limit)
		if size(made) <= maxMessage || limit < 100 {
			return made
		}
	}
}

// size is how many bytes of JSON the blocks are.
func size(made []slack.Block) int {
	raw, err := json.Marshal(made)
	if err != nil {
		return 0 // the library says so when it sends
	}
	return len(raw)
}

// compose makes the blocks, no text of them longer than limit.
func compose(m notifier.Message, limit int) []slack.Block {
	made := []slack.Block{slack.NewHeaderBlock(plainText(cut(m.Title, maxTitle)))}
	if len(m.Items) > 0 {
		made = append(made, itemBlocks(m, limit)...)
	} else {
		for _, part := range body(m, limit) {
			made = append(made, slack.NewSectionBlock(mrkdwn(part), nil, nil))
		}
	}
	made = append(made, factBlocks(m.Facts, min(limit, maxValue))...)
	if m.Error != "" {
		made = append(made, preformatted(cutMiddle(m.Error, limit)))
	}
	if links := linkLine(m.Links); links != "" {
		made = append(made, slack.NewSectionBlock(mrkdwn(links), nil, nil))
	}
	if small := smallPrint(m, min(limit, maxNote)); len(small) > 0 {
		made = append(made, slack.NewContextBlock("", small...))
	}
	return made
}

// body is the message's own text in mrkdwn, no part of it longer than limit.
func body(m notifier.Message, limit int) []string {
	if m.Markdown {
		if parts, ok := rich(m.Body, limit); ok {
			return parts
		}
	}
	parts := split(cut(m.Body, bodyParts*limit), limit)
	for i, part := range parts {
		parts[i] = running(part)
	}
	return parts
}

// factBlocks shows facts in two columns, ten in a block.
func factBlocks(facts []notifier.Fact, limit int) []slack.Block {
	var fields []*slack.TextBlockObject
	for _, f := range facts {
		if f.Name == "" && f.Value == "" {
			continue
		}
		text := anchor(cut(cmp.Or(f.Value, "–"), limit), f.URL)
		if f.Name != "" {
			text = "*" + escape(cut(f.Name, maxLabel)) + "*\n" + text
		}
		fields = append(fields, mrkdwn(text))
	}
	var made []slack.Block
	for some := range slices.Chunk(fields, maxFields) {
		made = append(made, slack.NewSectionBlock(nil, some, nil))
	}
	return made
}

// preformatted shows text as it is, in a fixed-width font. It is rich text and not a code block
// of mrkdwn, so that nothing in the text can end it.
func preformatted(text string) slack.Block {
	return slack.NewRichTextBlock("", &slack.RichTextPreformatted{
		Type:     slack.RTEPreformatted,
		Elements: []slack.RichTextSectionElement{slack.NewRichTextSectionTextElement(text, nil)},
	})
}

// linkLine is all links on one line. One that does not fit is left out whole.
func linkLine(links []notifier.Link) string {
	var parts []string
	room := maxText
	for _, l := range links {
		part := anchor(cut(l.Text, maxLabel), l.URL)
		if room -= length(part); part != "" && room > 0 {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "  •  ")
}

// smallPrint holds why and when, and the notes.
func smallPrint(m notifier.Message, limit int) []slack.MixedElement {
	var small []slack.MixedElement
	if why := whyAndWhen(m); why != "" {
		small = append(small, mrkdwn(why))
	}
	for _, note := range m.Notes {
		if note != "" {
			small = append(small, plainText(cut(note, limit)))
		}
	}
	return small
}

// whyAndWhen shows the time in the reader's own zone, as Slack can.
func whyAndWhen(m notifier.Message) string {
	var parts []string
	if m.Reason != "" {
		parts = append(parts, escape(cut(m.Reason, maxLabel)))
	}
	if !m.Time.IsZero() {
		parts = append(parts, localTime(m.Time, "{date_short} {time_secs}", time.DateTime))
	}
	return strings.Join(parts, "  •  ")
}

// fallback is what notifications on a telephone and screen readers show of a tidy message: the
// title, then what is most urgent to know.
func fallback(m notifier.Message) string {
	parts := []string{cut(m.Title, maxTitle)}
	if m.Error != "" {
		parts = append(parts, cutMiddle(m.Error, 500))
	}
	switch {
	case len(m.Items) > 0:
		parts = append(parts, spoken(m))
	case m.Body != "":
		parts = append(parts, cut(m.Body, 1000))
	}
	for _, f := range m.Facts[:min(len(m.Facts), maxFields)] {
		parts = append(parts, cut(f.Name+": "+f.Value, 150))
	}
	for _, l := range m.Links[:min(len(m.Links), 1)] {
		parts = append(parts, cut(notifier.OneLine(l.URL), 500))
	}
	if m.Reason != "" {
		parts = append(parts, cut(m.Reason, maxLabel))
	}
	return escape(cut(strings.Join(parts, "\n"), maxFallback))
}

func plainText(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

func mrkdwn(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, true)
}
