package email

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Text is the message as plain text, for clients that show no HTML and for terminals.
func Text(m notifier.Message) string {
	v := newView(m)
	parts := []string{v.Title + "\n" + strings.Repeat("=", min(utf8.RuneCountInString(v.Title), 70))}
	parts = append(parts, strings.Join(v.Body, "\n"))
	if v.Error != "" {
		parts = append(parts, indent(v.Error))
	}
	parts = append(parts, factLines(v))
	if v.Button.URL != "" {
		var lines []string
		for _, l := range append([]notifier.Link{v.Button}, v.Links...) {
			lines = append(lines, l.Text+":\n"+l.URL)
		}
		parts = append(parts, strings.Join(lines, "\n"))
	}
	parts = append(parts, "-- \n"+strings.Join(append(v.Notes, v.Origin()), "\n"))
	return strings.Join(filled(parts), "\n\n") + "\n"
}

// factLines aligns the values, which is why it needs a fixed-width font to look right.
func factLines(v view) string {
	width := 0
	for _, f := range v.Facts {
		width = max(width, utf8.RuneCountInString(f.Name))
	}
	width = min(width, 20)
	lines := make([]string, len(v.Facts))
	for i, f := range v.Facts {
		lines[i] = fmt.Sprintf("%-*s %s", width+1, f.Name+":", f.Value)
		if f.URL != "" && f.URL != v.Button.URL {
			lines[i] += " " + f.URL
		}
	}
	return strings.Join(lines, "\n")
}

// Origin says what sent the mail, why and when.
func (v view) Origin() string {
	return strings.Join(filled([]string{"Sent by flyte-notifier", v.Why, v.When}), " · ")
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// filled are the parts that hold something.
func filled(parts []string) []string {
	var kept []string
	for _, p := range parts {
		if strings.TrimSpace(p) != "" {
			kept = append(kept, p)
		}
	}
	return kept
}
