package teams

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// markdown is every character that means something to Markdown within a line: emphasis, links, code, HTML, mentions.
var markdown = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "(", `\(`, ")", `\)`, "<", `\<`, ">", `\>`, "~", `\~`, "&", `\&`, "!", `\!`, "|", `\|`,
)

// marker begins a list, a heading or a quote where it begins a line.
var marker = regexp.MustCompile(`^(\d*)([-+#.])`)

// escape is one line of plain text as Teams' Markdown shows it. https://spec.commonmark.org/0.31.2/#backslash-escapes
func escape(s string) string {
	return marker.ReplaceAllString(markdown.Replace(s), `$1\$2`)
}

// lines shows text as it is, a paragraph for each line, in the form that each says. Spaces at the beginning of a line
// become such as clients do not drop. Of many lines the middle is left out, as of a long text.
func lines(s string, limit int, each func(line string) []run) []element {
	s = notifier.CutMiddle(notifier.Lines(s), max(limit, 100))
	if s == "" {
		return nil
	}
	all := strings.Split(s, "\n")
	most := max(min(maxLines, limit/16), 3)
	if n := len(all); n > most {
		note := fmt.Sprintf("… (%d lines cut) …", n-most)
		all = append(append(all[:most/3:most/3], note), all[n-(most-most/3):]...)
	}
	var made []element
	for _, line := range all {
		block := text(each(indented(line))...)
		block.Spacing = "None"
		made = append(made, block)
	}
	return made
}

const hardSpace = "\u00A0"

func indented(line string) string {
	rest := strings.TrimLeft(line, " \t")
	indent := strings.ReplaceAll(line[:len(line)-len(rest)], "\t", "    ")
	if rest == "" {
		return hardSpace // an empty paragraph would have no height
	}
	return strings.ReplaceAll(indent, " ", hardSpace) + rest
}

func monospaced(line string) []run { return []run{{Text: line, Font: "Monospace"}} }

// linked are a line's runs, its URLs such as open.
func linked(line string) []run {
	const most = 10
	var runs []run
	rest := 0
	for _, at := range notifier.FindURLs(line, most) {
		shown := line[at[0]:at[1]]
		address := exchange.WebLink(shown, maxURL)
		if address == "" {
			continue
		}
		if at[0] > rest {
			runs = append(runs, run{Text: line[rest:at[0]]})
		}
		runs = append(runs, run{Text: shown, Select: &action{Type: "Action.OpenUrl", URL: address}})
		rest = at[1]
	}
	if rest < len(line) {
		runs = append(runs, run{Text: line[rest:]})
	}
	return runs
}
