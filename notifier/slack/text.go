package slack

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// escape is the one escaping that mrkdwn knows. With it no mention, date or link can be made.
func escape(s string) string { return escaper.Replace(s) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// running is plain text as mrkdwn, its URLs made links: we tell Slack to leave it verbatim, for
// otherwise it would make mentions of @here and #channel as well.
func running(s string) string {
	var b strings.Builder
	rest := 0
	for _, at := range notifier.FindURLs(s, -1) {
		b.WriteString(escape(s[rest:at[0]]) + "<" + escape(s[at[0]:at[1]]) + ">")
		rest = at[1]
	}
	b.WriteString(escape(s[rest:]))
	return b.String()
}

// maxURL is the longest URL that is made a link.
const maxURL = 1000

// anchor is a link in mrkdwn, or its text alone where the URL is none of the web's.
func anchor(text, target string) string {
	text = escape(strings.ReplaceAll(text, "|", "¦"))
	address := escape(exchange.WebLink(strings.TrimSpace(target), maxURL))
	if address == "" || len(address) > maxURL {
		return text
	}
	return "<" + address + "|" + text + ">"
}

// cost is how much of a limit a rune takes up at most: escaped, and in UTF-16.
func cost(r rune) int {
	switch {
	case r == '&':
		return len("&amp;")
	case r == '<' || r == '>':
		return len("&lt;")
	case r > 0xFFFF:
		return 2
	}
	return 1
}

func length(s string) (n int) {
	for _, r := range s {
		n += cost(r)
	}
	return n
}

// head is the longest beginning of s within the limit.
func head(s string, limit int) string {
	for i, r := range s {
		if limit -= cost(r); limit < 0 {
			return s[:i]
		}
	}
	return s
}

// tail is the longest end of s within the limit.
func tail(s string, limit int) string {
	i := len(s)
	for i > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:i])
		if limit -= cost(r); limit < 0 {
			break
		}
		i -= size
	}
	return s[i:]
}

// noteRoom is what the note that text was cut takes at most.
const noteRoom = len("\n… (1000000000 characters cut)\n")

func cutNote(n int) string { return fmt.Sprintf("… (%d characters cut)", n) }

// cut shortens s to the limit, saying at its end how much is missing.
func cut(s string, limit int) string {
	if length(s) <= limit {
		return s
	}
	kept := head(s, limit-noteRoom)
	return kept + cutNote(utf8.RuneCountInString(s)-utf8.RuneCountInString(kept))
}

// cutMiddle shortens s to the limit by leaving out its middle: of a traceback the last lines
// say most, and the first what it is.
func cutMiddle(s string, limit int) string {
	if length(s) <= limit {
		return s
	}
	room := limit - noteRoom
	first, last := head(s, room/3), tail(s, room-room/3)
	missing := utf8.RuneCountInString(s) - utf8.RuneCountInString(first) - utf8.RuneCountInString(last)
	return first + "\n" + cutNote(missing) + "\n" + last
}

// split cuts s into parts within the limit: at the end of a line where one is not far, else
// anywhere. Parts are never blank.
func split(s string, limit int) []string {
	var parts []string
	for ; strings.TrimSpace(s) != ""; s = strings.TrimLeft(s, "\n") {
		part := head(s, limit)
		if end := strings.LastIndexByte(part, '\n'); len(part) < len(s) && end > len(part)/2 {
			part = part[:end]
		}
		s = s[len(part):]
		if strings.TrimSpace(part) != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
