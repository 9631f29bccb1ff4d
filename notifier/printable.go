package notifier

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escapes are the terminal's escape sequences: colors, titles, cursor moves.
var escapes = regexp.MustCompile(
	`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^_a-~])?|\x{9b}[0-?]*[ -/]*[@-~]?`)

// Printable returns s as text that no terminal and no chat client takes for anything else:
// without escape sequences, control characters other than \n and \t, and marks that turn the
// direction of writing. What is not UTF-8 becomes U+FFFD, other line ends become \n.
func Printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.ContainsAny(s, "\x1b\u009b") {
		s = escapes.ReplaceAllString(s, "")
	}
	return Visible(s)
}

// Visible is Printable for markup: it takes single characters out, never a sequence, which could hold a tag or the rest
// of the text. What an escape character began stays as text.
func Visible(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(printable, s)
}

func printable(r rune) rune {
	switch r {
	case '\n', '\t':
		return r
	case '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return '\n'
	}
	if r >= ' ' && r < unicode.MaxASCII {
		return r // nearly all there is
	}
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\uFEFF' {
		return -1
	}
	return r
}

// OneLine is s as printable text on one line, each run of white space a single space.
func OneLine(s string) string { return strings.Join(strings.Fields(Printable(s)), " ") }

// Cut is s, or as much of it as makes so many characters with the ellipsis that says it was cut.
func Cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
