package markdown

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

var (
	// entity would end one before it.
	entity = regexp.MustCompile(`&#?[0-9A-Za-z]+;`)
	// begunURL is one that goes on with what follows.
	begunURL = regexp.MustCompile(`https?://[0-9A-Za-z._~/?#&=+%,;:@!$-]*$`)
	// autoLink is what may be one, in which a link would end.
	autoLink = regexp.MustCompile(`^<[^\s<>]*[:@]`)
	// onlyMarks is the beginning of a line in which something may still begin.
	onlyMarks = regexp.MustCompile(`^[\s>*+#\d.)-]*$`)
	// block is what begins a heading, a list, a quote or a rule, or makes a heading of the line before: the mark stands
	// behind a number, if there is one.
	block = regexp.MustCompile(`^(?:(\d{1,9})[.)](?:\s|$)|[#=>]|[-+](?:\s|-|$))`)
)

// escape writes a value as text: no more backslashes than needed, for some show Markdown as it is written.
func escape(out *strings.Builder, value string) {
	const most = 4096 // of what was written: no URL is as long
	written := out.String()
	written = written[max(0, len(written)-most):]
	line := written[strings.LastIndexByte(written, '\n')+1:]
	if begunURL.MatchString(line) {
		out.WriteString(percent(value))
		return
	}
	value = strings.Trim(value, "\n")
	if odd(written) {
		out.WriteByte('\\') // the author's own would take ours away
	}
	if strings.HasPrefix(value, "(") && strings.HasSuffix(written, "]") {
		out.WriteByte('\\')
	}
	begins := len(line) < 100 && onlyMarks.MatchString(line)
	rest := value
	for before := ' '; rest != ""; {
		var piece string
		if begins {
			piece = beginning(out, rest)
		}
		if piece == "" {
			piece = next(out, rest, before)
		}
		before, _ = utf8.DecodeLastRuneInString(piece)
		rest, begins = rest[len(piece):], piece == "\n"
	}
}

// odd says whether a text ends in a backslash that stands for itself alone. Before white space and a line's end one counts
// for what the next line begins with, as the parser reads it.
func odd(s string) bool {
	if line := strings.TrimSuffix(s, "\n"); line != s {
		s = strings.TrimRight(line, " \t")
	}
	return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1
}

// beginning writes what a line begins with, and returns how it was; empty: nothing special. White space does not part
// where it does not break, and is shown.
func beginning(out *strings.Builder, s string) string {
	if s[0] == '\n' {
		out.WriteString("\u00a0\n")
		return "\n"
	}
	if rest := strings.TrimLeft(s, " \t"); len(rest) < len(s) {
		white := s[:len(s)-len(rest)]
		out.WriteString(strings.NewReplacer(" ", "\u00a0", "\t", "\u00a0\u00a0\u00a0\u00a0").Replace(white))
		return white
	}
	found := block.FindStringSubmatch(s)
	if found == nil {
		return ""
	}
	number := found[1]
	out.WriteString(number + `\` + s[len(number):len(number)+1])
	return s[:len(number)+1]
}

// next writes the first piece of s as text, and returns how it was.
func next(out *strings.Builder, s string, before rune) string {
	if url := notifier.LeadingURL(s); url != "" && !wordRune(before) {
		if at := entity.FindStringIndex(s[:min(len(s), len(url)+1)]); at != nil {
			url = url[:at[0]]
		}
		out.WriteString(url)
		return url
	}
	r, n := utf8.DecodeRuneInString(s)
	if means(r, before, s) {
		out.WriteByte('\\')
	}
	out.WriteString(s[:n])
	return s[:n]
}

// means says whether the first character of s has a meaning, behind this one. What is last may stand before anything.
func means(r, before rune, s string) bool {
	rest := s[utf8.RuneLen(r):]
	after, n := utf8.DecodeRuneInString(rest)
	last := n == 0
	switch r {
	case '`', '*', '~':
		return true
	case '_': // within words there is none
		return !wordRune(before) || !wordRune(after)
	case '\\':
		return last || unicode.IsSpace(after) || after <= unicode.MaxASCII && (unicode.IsPunct(after) || unicode.IsSymbol(after))
	case ']':
		return last || after == '('
	case '!':
		return last || after == '['
	case '&':
		return last || after == '#' || after <= unicode.MaxASCII && unicode.IsLetter(after)
	case '<':
		return last || autoLink.MatchString(s)
	}
	return false
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
