package notifier

import "encoding/json"

// Previewer is a Destination that knows how its service shows a message, without any credentials. Others are
// previewed as plain text.
type Previewer interface {
	// Preview returns what Send would make of m for this destination, its templates already rendered.
	Preview(m Message) (Preview, error)
}

// Preview is a message as one service shows it. Empty fields are those that the service does not have.
type Preview struct {
	Subject string          // of a mail
	Text    string          // what somebody reads who sees only text
	Payload json.RawMessage // what is posted, but for credentials
}
