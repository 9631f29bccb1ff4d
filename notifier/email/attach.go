package email

import (
	"fmt"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// maxWhole is how much of an error text goes into a file, in bytes.
const maxWhole = 1 << 20

// WholeError is the error text as a file, where the message shows only a part of it: the variable Error is all there
// is of it. It is cut at 1 MiB, saying so.
func WholeError(m notifier.Message) (text string, long bool) {
	raw, ok := m.Vars["Error"].(string)
	if !ok || m.Error == "" {
		return "", false
	}
	const slack = 64 << 10 // room for what is not printable
	text = strings.TrimSpace(notifier.Printable(raw[:min(len(raw), maxWhole+slack)]))
	if len(text) <= min(len(m.Error), maxError) {
		return "", false
	}
	if len(text) > maxWhole {
		text = strings.ToValidUTF8(text[:maxWhole], "") + fmt.Sprintf("\n… cut after %d bytes", maxWhole)
	}
	return text + "\n", true
}
