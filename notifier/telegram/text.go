package telegram

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Telegram's limit, and our own below its 100 entities.
// https://core.telegram.org/bots/api#sendmessage, https://core.telegram.org/bots/api#formatting-options
const (
	maxMessage = 4096 // characters of what is read, taken as UTF-16 units, which are never fewer
	maxText    = 2400
	maxTitle   = 200
	maxItems   = 40
	maxItem    = 150
	maxFacts   = 20
	maxValue   = 400
	maxLabel   = 80
	maxLinks   = 8
	maxURLs    = 20 // of a body that are made links
	maxNotes   = 8
	maxURL     = 1000
)

// text is m in Telegram's HTML, within its limit: long texts are cut, saying so.
func text(m notifier.Message) string {
	for limit := maxText; ; limit /= 2 {
		made := compose(m, limit)
		if length(made) <= maxMessage || limit < 16 {
			return made
		}
	}
}

// compose makes the text, no part of it longer than limit, but for what is shorter than 100 anyway.
func compose(m notifier.Message, limit int) string {
	title := m.Status.Symbol() + " " + cmp.Or(notifier.OneLine(m.Title), notifier.OneLine(m.Reason), "Flyte notification")
	parts := []string{
		"<b>" + escape(notifier.Cut(title, maxTitle)) + "</b>",
		body(m, limit),
		facts(m.Facts, min(limit, maxValue)),
	}
	if failure := notifier.CutMiddle(notifier.Lines(m.Error), max(limit, 100)); failure != "" {
		parts = append(parts, "<pre>"+escaper.Replace(failure)+"</pre>")
	}
	parts = append(parts, links(m.Links, min(limit, maxLabel)), smallPrint(m, min(limit, maxValue)))
	return strings.Join(filled(parts), "\n\n")
}

// body is the text, or the list of a message that tells of several things, each linked on a line of its own. What has no
// room in a list is counted. It may be longer than a text: there is little else in such a message.
func body(m notifier.Message, limit int) string {
	if len(m.Items) == 0 {
		return running(notifier.CutMiddle(notifier.Lines(m.Body), max(limit, 100)))
	}
	var lines []string
	room := limit * 3 / 2
	for _, item := range m.Items[:min(len(m.Items), maxItems)] {
		what := cmp.Or(notifier.OneLine(item.Text), notifier.OneLine(item.URL))
		line := "• " + item.Time.UTC().Format("2006-01-02 15:04 UTC") + "  " + anchor(notifier.Cut(what, maxItem), item.URL)
		if room -= length(line) + 1; room < 0 {
			break
		}
		lines = append(lines, line)
	}
	if more := m.More + len(m.Items) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(lines, "\n")
}

func facts(all []notifier.Fact, limit int) string {
	var made []string
	for _, f := range all[:min(len(all), maxFacts)] {
		name, value := notifier.OneLine(f.Name), notifier.OneLine(f.Value)
		if name == "" && value == "" {
			continue
		}
		line := anchor(notifier.Cut(cmp.Or(value, "–"), limit), f.URL)
		if name != "" {
			line = "<b>" + escape(notifier.Cut(name, min(limit, maxLabel))) + ":</b> " + line
		}
		made = append(made, line)
	}
	if more := len(all) - maxFacts; more > 0 {
		made = append(made, fmt.Sprintf("… (%d facts cut)", more))
	}
	return strings.Join(made, "\n")
}

func links(all []notifier.Link, limit int) string {
	var made []string
	for _, l := range all {
		if exchange.WebLink(l.URL, maxURL) == "" || len(made) == maxLinks {
			continue
		}
		made = append(made, anchor(notifier.Cut(cmp.Or(notifier.OneLine(l.Text), notifier.OneLine(l.URL)), limit), l.URL))
	}
	return strings.Join(made, "  •  ")
}

// smallPrint holds the notes, and why and when.
func smallPrint(m notifier.Message, limit int) string {
	var made []string
	for _, note := range m.Notes[:min(len(m.Notes), maxNotes)] {
		made = append(made, notifier.Cut(notifier.OneLine(note), limit))
	}
	why := []string{notifier.Cut(notifier.OneLine(m.Reason), maxLabel)}
	if !m.Time.IsZero() {
		why = append(why, m.Time.UTC().Format(time.DateTime+" UTC"))
	}
	if made = filled(append(made, strings.Join(filled(why), " · "))); len(made) == 0 {
		return ""
	}
	return "<i>" + escape(strings.Join(made, "\n")) + "</i>"
}

func filled(parts []string) []string {
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

// escaper is all that Telegram's HTML wants escaped. https://core.telegram.org/bots/api#html-style
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// calling is what Telegram makes a mention, a command or a tag of by itself, wherever it stands in plain text.
var calling = regexp.MustCompile(`(^|[^\pL\pN_])([@#$])([\pL\pN_])|(^|[^\pL\pN_/<>])(/)([A-Za-z0-9_])`)

// escape is plain text in which nobody is mentioned and nothing is a command: a word joiner, which is not seen,
// stands after the sign. The pattern's matches may touch, so that it takes two goes.
func escape(s string) string {
	for range 2 {
		s = calling.ReplaceAllString(s, "$1$4$2$5\u2060$3$6")
	}
	return escaper.Replace(s)
}

// anchor is a link, or its text alone where the URL is none of the web's.
func anchor(text, target string) string {
	if address := exchange.WebLink(target, maxURL); address != "" {
		return `<a href="` + escaper.Replace(address) + `">` + escape(text) + "</a>"
	}
	return escape(text)
}

// running is plain text with its URLs made links.
func running(s string) string {
	var b strings.Builder
	rest := 0
	for _, at := range notifier.FindURLs(s, maxURLs) {
		b.WriteString(escape(s[rest:at[0]]) + anchor(s[at[0]:at[1]], s[at[0]:at[1]]))
		rest = at[1]
	}
	b.WriteString(escape(s[rest:]))
	return b.String()
}

// length is how many UTF-16 units are left of our own HTML once its tags and entities are parsed.
func length(html string) (n int) {
	end := rune(0) // of what is being passed over
	for _, r := range html {
		switch {
		case end != 0:
			if r == end {
				end = 0
			}
		case r == '<':
			end = '>'
		default:
			n++
			if r == '&' {
				end = ';'
			}
			if r > 0xFFFF {
				n++
			}
		}
	}
	return n
}
