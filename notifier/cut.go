package notifier

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lines is s as printable text without empty lines around it and white space at its end.
func Lines(s string) string {
	return strings.TrimRight(strings.TrimLeft(Printable(s), "\n"), " \t\n")
}

// CutMiddle is s, or, where it has more characters than most, its first third and its last two with a line between
// them that says how many are missing: of a traceback the last lines say most, and the first what it is. No word is
// torn unless it is very long: the rest of a URL would lead elsewhere. most is at least 100.
func CutMiddle(s string, most int) string {
	const note = "\n… (%d characters cut) …\n"
	have := utf8.RuneCountInString(s)
	if have <= most {
		return s
	}
	room := most - len(fmt.Sprintf(note, have)) // its characters are fewer than its bytes
	runes := []rune(s)
	end, start := room/3, have-(room-room/3)
	for i := end; i > end/2; i-- {
		if unicode.IsSpace(runes[i]) {
			end = i
			break
		}
	}
	for i := start - 1; i < (start+have)/2; i++ {
		if unicode.IsSpace(runes[i]) {
			start = i + 1
			break
		}
	}
	return string(runes[:end]) + fmt.Sprintf(note, start-end) + string(runes[start:])
}
