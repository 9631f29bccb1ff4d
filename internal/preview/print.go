package preview

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// width is how many columns are used, as a terminal has them.
const width = 80

// Print writes what is told for people to read: to whom, then the message. Destinations that get the same
// text stand together above it.
func Print(w io.Writer, all []Told) {
	for i, t := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprint(w, wrap(t.heading(), 2))
		for j, d := range t.To {
			fmt.Fprint(w, wrap("  to "+d.to(), 4))
			if d.Error != "" {
				fmt.Fprint(w, wrap("  dead: "+plain(d.Error), 4))
			}
			if d.LeftOut != "" {
				fmt.Fprint(w, wrap("  left out: "+plain(d.LeftOut), 4))
			}
			if d.Subject != "" {
				fmt.Fprint(w, wrap("  subject: "+d.Subject, 4))
			}
			if j+1 == len(t.To) || t.To[j+1].Text != d.Text || t.To[j+1].Subject != d.Subject {
				fmt.Fprintln(w)
				printText(w, d.Text)
				if j+1 < len(t.To) {
					fmt.Fprintln(w)
				}
			}
		}
	}
}

// heading says which rule it is, and what must be known to read the rest.
func (t Told) heading() string {
	text := "rule " + t.Rule.FullName() + " (" + t.Occurrence.Reason
	switch {
	case t.Occurrence.Escalation > 0:
		text += fmt.Sprintf(", escalation %d after %s", t.Occurrence.Escalation, t.After)
	case t.Occurrence.Count > 0:
		text += fmt.Sprintf(", reminder %d", t.Occurrence.Count)
	}
	if t.Fallback {
		text += ", fallback"
	}
	text += ")"
	if t.Rule.Now {
		text = "notification_send"
	}
	for _, note := range t.Notes() {
		text += "\n  note: " + note
	}
	return text
}

// Notes are what must be known of the rule besides the message.
func (t Told) Notes() (all []string) {
	switch {
	case t.Unless != "":
		all = append(all, "it would not fire: "+plain(t.Unless))
	case !t.Holds:
		all = append(all, "it does not fire for this execution now; `flyte-notifier explain` says why")
	}
	for _, why := range t.History {
		all = append(all, "of launch plan "+plain(t.Data.LaunchPlan)+": "+why)
	}
	if t.TemplateError != "" {
		all = append(all, "its template fails, so that the default message is sent: "+plain(t.TemplateError))
	}
	return all
}

// to is where a delivery goes, in one line.
func (d Delivery) to() string {
	parts := []string{d.Kind}
	if d.Connection != "" {
		parts = append(parts, "through "+d.Connection)
	}
	if d.Address != d.Kind {
		parts = append(parts, "to "+plain(d.Address))
	}
	return strings.Join(parts, " ")
}

func plain(s string) string { return strings.Join(strings.Fields(notifier.Printable(s)), " ") }

// printText writes a message, a little to the right of what is about it.
func printText(w io.Writer, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		fmt.Fprint(w, wrap("    "+strings.TrimRight(line, "\n"), 2))
	}
}

func wrap(text string, further int) string { return Wrap(text, width, further) }

// Wrap breaks each line of a text between words where it has more columns than given; what follows is indented
// further. A word that is too wide, such as a URL, stays whole.
func Wrap(text string, width, further int) string {
	var out strings.Builder
	for line := range strings.Lines(text + "\n") {
		line = strings.TrimRight(line, " \n")
		indent, further := len(line)-len(strings.TrimLeft(line, " ")), further
		for utf8.RuneCountInString(line) > width {
			at := breakAt(line, indent, width)
			if at < 0 {
				break
			}
			out.WriteString(strings.TrimRight(line[:at], " ") + "\n")
			indent += further
			line = strings.Repeat(" ", indent) + strings.TrimLeft(line[at:], " ")
			further = 0
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// breakAt is the last space that leaves a line narrow enough, or else the first; negative if there is none
// behind the indent.
func breakAt(line string, indent, width int) int {
	best, columns := -1, 0
	for i, r := range line {
		if r == ' ' && i > indent {
			if columns > width && best >= 0 {
				return best
			}
			best = i
			if columns > width {
				return best
			}
		}
		columns++
	}
	if best > 0 && strings.TrimSpace(line[best:]) == "" {
		return -1
	}
	return best
}
