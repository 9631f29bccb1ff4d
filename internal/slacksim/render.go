package slacksim

import (
	"encoding/json"
	"regexp"
	"strings"
)

var (
	// link is a link of Slack's mrkdwn: <url> or <url|text>.
	link = regexp.MustCompile(`<((?:https?|mailto):[^|>]*)(?:\|([^>]*))?>`)
	// date is a time that Slack shows in the reader's zone, with a text for those who cannot.
	date = regexp.MustCompile(`<!date\^\d+\^[^|>]*\|([^>]*)>`)
	// bold is a bold part of mrkdwn, which begins and ends at a word's edge.
	bold = regexp.MustCompile(`(?m)(^|\s)\*(\S|\S[^*\n]*\S)\*(\s|$)`)
)

// Render returns what a person reads of a message, as plain text: its blocks from the top, or
// its text where it has none.
func Render(m Message) string {
	var blocks []block
	if json.Unmarshal(m.Blocks, &blocks) != nil || len(blocks) == 0 {
		return plain(m.Text)
	}
	var lines []string
	for _, b := range blocks {
		lines = append(lines, b.lines()...)
	}
	return strings.Join(lines, "\n")
}

func (b block) lines() []string {
	var lines []string
	switch b.Type {
	case "header":
		return []string{b.Text.Text}
	case "divider":
		return []string{"---"}
	case "rich_text":
		return rich(b.Elements)
	case "image":
		return []string{"[" + b.AltText + "]"}
	case "actions":
		for _, e := range b.Elements {
			lines = append(lines, "["+string(e.Text)+"]")
		}
		return []string{strings.Join(lines, "  ")}
	case "context":
		for _, e := range b.Elements {
			lines = append(lines, textObject{e.Type, string(e.Text)}.read())
		}
		return []string{strings.Join(lines, "  ")}
	}
	if b.Text != nil {
		lines = append(lines, b.Text.read())
	}
	for _, f := range b.Fields {
		lines = append(lines, strings.Replace(f.read(), "\n", ": ", 1))
	}
	return lines
}

// rich shows rich text; what is preformatted is set off by a bar.
func rich(elements []element) []string {
	var lines []string
	for _, e := range elements {
		var text strings.Builder
		for _, part := range e.Elements {
			text.WriteString(string(part.Text))
			if part.URL != "" {
				text.WriteString(" (" + part.URL + ")")
			}
		}
		for line := range strings.SplitSeq(strings.TrimRight(text.String(), "\n"), "\n") {
			if e.Type == "rich_text_preformatted" {
				line = "| " + line
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func (t textObject) read() string {
	if t.Type == "mrkdwn" {
		return plain(bold.ReplaceAllString(t.Text, "$1$2$3"))
	}
	return t.Text
}

// plain undoes mrkdwn's links, dates and escapes. Mentions stay as they were sent.
func plain(text string) string {
	text = date.ReplaceAllString(text, "$1")
	text = link.ReplaceAllStringFunc(text, func(found string) string {
		parts := link.FindStringSubmatch(found)
		if parts[2] == "" || parts[2] == parts[1] {
			return parts[1]
		}
		return parts[2] + " (" + parts[1] + ")"
	})
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}
