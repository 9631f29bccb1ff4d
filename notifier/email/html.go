package email

import (
	"fmt"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// colors of a kind of news. Each is legible on its ground for readers who see little contrast:
// at least 4.5 to 1.
type colors struct {
	Strong string // the bar and the button, under white text
	Text   string // the label, on Soft
	Soft   string
	// The same for clients that show mails dark.
	DarkText string
	DarkSoft string
}

// look is the label and colors of a status; one we do not know is neutral.
func look(s notifier.Status) (label string, c colors) {
	switch s {
	case notifier.Success:
		return "Success", colors{"#067647", "#067647", "#ecfdf3", "#75e0a7", "#053321"}
	case notifier.Warning:
		return "Warning", colors{"#b54708", "#93370d", "#fffaeb", "#fec84b", "#4e1d09"}
	case notifier.Failure:
		return "Failure", colors{"#b42318", "#b42318", "#fef3f2", "#fda29b", "#55160c"}
	}
	return "Info", colors{"#175cd3", "#175cd3", "#eff8ff", "#84caff", "#102a56"}
}

// HTML is the message as an HTML mail: tables and inline styles, as mail clients want them, in
// light and dark. Its error would be a mistake in our template.
func HTML(m notifier.Message) (string, error) {
	var out strings.Builder
	if err := page.Execute(&out, newView(m)); err != nil {
		return "", fmt.Errorf("make HTML of a mail: %w", err)
	}
	return out.String(), nil
}
