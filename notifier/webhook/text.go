package webhook

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// gap parts what would otherwise be read together, and is not seen: U+200B, the zero-width space.
const gap = "\u200b"

// ellipsis says that a text was cut.
const ellipsis = "…"

// dialect is how a service reads and counts texts.
type dialect struct {
	escape func(r rune, first bool) string // a character as it is shown; first of its line
	size   func(string) int                // of a text, in what the service counts
	links  bool                            // a bare URL becomes a link, and would not with escapes in it
}

// text is s so that it is shown as it stands, in no more than the given size. What is cut says so.
func (d dialect) text(s string, most int) string {
	var out strings.Builder
	used, fits, fitting := 0, true, 0 // fitting: how much of out there may be with an ellipsis behind it
	put := func(piece string) bool {
		if used += d.size(piece); used > most {
			fits = false
			return false
		}
		out.WriteString(piece)
		if used+d.size(ellipsis) <= most {
			fitting = out.Len()
		}
		return true
	}
	first := true
	for s != "" {
		piece, rest := d.next(s, first)
		if !put(piece) {
			break
		}
		first = s[0] == '\n' || first && s[0] == ' '
		s = rest
	}
	if fits {
		return out.String()
	}
	return out.String()[:fitting] + ellipsis
}

// next is the first piece of s as it is shown, and what follows it.
func (d dialect) next(s string, first bool) (piece, rest string) {
	if d.links && strings.HasPrefix(s, "http") {
		const longest = 500
		if url := notifier.LeadingURL(s[:min(len(s), longest)]); url != "" {
			return strings.ReplaceAll(url, "@", "%40"), s[len(url):]
		}
	}
	r, n := utf8.DecodeRuneInString(s)
	return d.escape(r, first), s[n:]
}

// markdown escapes for Discord and Mattermost. Gaps keep Mattermost from telling a channel or a person, by @channel or as
// Slack would write it, <!channel>; backslashes would not.
func markdown(r rune, first bool) string {
	switch {
	case r == '@' || r == '<' || r == '&': // &#64; is an @ to Mattermost
		return string(r) + gap
	case strings.ContainsRune("\\`*_~|>[]()!", r), first && strings.ContainsRune("#-+", r):
		return `\` + string(r)
	}
	return string(r)
}

// fenced is for what stands between fences, where nothing ends them, and where nobody is told.
func fenced(r rune, _ bool) string {
	if r == '`' || r == '@' || r == '<' {
		return string(r) + gap
	}
	return string(r)
}

// markup escapes for Google Chat's cards, which know a few tags of HTML.
func markup(r rune, _ bool) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	}
	return string(r)
}

// verbatim is for services that show plain text.
func verbatim(r rune, _ bool) string { return string(r) }

// unmentioned is for texts that are shown as they are, but for names of people and rooms.
func unmentioned(r rune, _ bool) string {
	if r == '@' || r == '<' {
		return string(r) + gap
	}
	return string(r)
}

func bytesOf(s string) int { return len(s) }

// units are what JavaScript counts: the most that any service can mean by characters.
func units(s string) (n int) {
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// webLink is a URL that may stand in any markup, or nothing where raw leads to no web page. Nor is there anybody's name in
// it, or a mark of Markdown's.
func webLink(raw string) string {
	text := strings.NewReplacer("@", "%40", "*", "%2A").Replace(exchange.WebLink(raw, longestURL))
	if len(text) > longestURL {
		return ""
	}
	return text
}

// content is a message as the chat services show it: tidy, but not yet escaped.
type content struct {
	status notifier.Status
	title  string // never empty
	body   string
	error  string
	facts  []notifier.Fact
	links  []notifier.Link // to web pages
	footer string          // notes, and how many facts were left out
	time   string
}

// contentOf tidies the message, with so many facts and three links at most.
func contentOf(m notifier.Message, facts int) content {
	const links, most = 3, 32 << 10 // no service shows as much: the rest need not be looked at
	c := content{
		status: m.Status, title: line1(m.Title, shortText), body: lines(m.Body, most), error: lines(m.Error, most), time: moment(m.Time),
	}
	if c.title == "" {
		c.title = "Notification"
	}
	var small []string
	for _, note := range m.Notes[:min(len(m.Notes), mostItems)] {
		if note = line1(note, shortText); note != "" {
			small = append(small, note)
		}
	}
	left := 0
	for _, f := range m.Facts {
		f = notifier.Fact{Name: line1(f.Name, 100), Value: line1(f.Value, shortText), URL: webLink(f.URL)}
		switch {
		case f.Name == "" || f.Value == "":
		case len(c.facts) == facts:
			left++
		default:
			c.facts = append(c.facts, f)
		}
	}
	if left > 0 {
		small = append(small, "more facts than are shown")
	}
	for _, l := range m.Links {
		l = notifier.Link{Text: line1(l.Text, 80), URL: webLink(l.URL)}
		if l.URL != "" && len(c.links) < links {
			if l.Text == "" {
				l.Text = "Link"
			}
			c.links = append(c.links, l)
		}
	}
	c.footer = strings.Join(small, " · ")
	return c
}

// color is the status as people know it from traffic lights, in RGB.
func (c content) color() int {
	switch c.status {
	case notifier.Success:
		return 0x2EB67D
	case notifier.Warning:
		return 0xECB22E
	case notifier.Failure:
		return 0xE01E5A
	}
	return 0x607D8B
}
