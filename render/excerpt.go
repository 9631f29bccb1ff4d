package render

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// oneLine is the printable text without line breaks, and no longer than so many runes.
func oneLine(s string, runes int) string {
	s = strings.Join(strings.Fields(notifier.Printable(s)), " ")
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
