package notifier

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Lines is s as printable text without empty lines around it and white space at its end.
func Lines(s string) string {
	return strings.TrimRight(strings.TrimLeft(Printable(s), "\n"), " \t\n")
}

// CutMiddle is s, or, where it has more characters than most, its first third and its last two with a line between
// them that says how many are missing: of a traceback the last lines say most, and the first what it is. most is at
// least 100.
func CutMiddle(s string, most int) string {
	const note = "\n… (%d characters cut) …\n"
	have := utf8.RuneCountInString(s)
	if have <= most {
		return s
	}
	room := most - len(fmt.Sprintf(note, have)) // its characters are fewer than its bytes
	runes := []rune(s)
	return string(runes[:room/3]) + fmt.Sprintf(note, have-room) + string(runes[have-(room-room/3):])
}
