package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a text from anywhere safe to show: valid UTF-8, with line feeds and tabs but no
// other control characters, no terminal colors (stack traces are full of them) and nothing that
// turns the direction of what follows.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var out strings.Builder
	out.Grow(len(s))
	for s != "" {
		if n := escapeLength(s); n > 0 {
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		switch {
		case r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			out.WriteByte('\n')
		case r == '\n' || r == '\t' || !unicode.IsControl(r) && !turning(r):
			out.WriteRune(r)
		}
	}
	return out.String()
}

// turning says whether the rune changes the direction of text, or is an invisible mark of order.
func turning(r rune) bool {
	return r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' || r == '\uFEFF'
}

// escapeLength is the length of the terminal escape sequence at the start of s, 0 if there is none.
func escapeLength(s string) int {
	if len(s) < 2 || s[0] != '\x1b' {
		return 0
	}
	const longest = 256
	switch s[1] {
	case '[': // up to a letter, as in ESC [ 31 m
		for i := 2; i < min(len(s), longest); i++ {
			if s[i] >= '@' && s[i] <= '~' {
				return i + 1
			}
		}
	case ']': // a title or link, up to BEL or ESC \
		for i := 2; i < min(len(s), longest); i++ {
			if s[i] == '\a' {
				return i + 1
			}
			if s[i] == '\x1b' {
				return min(i+2, len(s))
			}
		}
	}
	return 1
}

// oneLine is the cleaned text without line breaks, and no longer than so many runes.
func oneLine(s string, runes int) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:runes-1])) + "…"
}

// excerpt keeps the beginning and, as a stack trace says most in its last lines, twice as much of
// the end of a text of more than so many runes. It cuts at line breaks where one is near.
func excerpt(s string, runes int) string {
	all := []rune(s)
	if len(all) <= runes {
		return s
	}
	const near = 150
	head, tail := runes/3, len(all)-runes*2/3
	for i := head; i > max(0, head-near); i-- {
		if all[i-1] == '\n' {
			head = i
			break
		}
	}
	for i := tail; i < min(tail+near, len(all)); i++ {
		if all[i-1] == '\n' {
			tail = i
			break
		}
	}
	return fmt.Sprintf("%s\n… %d characters left out …\n%s",
		strings.TrimRight(string(all[:head]), "\n"), tail-head, strings.TrimLeft(string(all[tail:]), "\n"))
}
