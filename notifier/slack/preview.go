package slack

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Preview returns the arguments of chat.postMessage that hold m: text, blocks in Block Kit, and metadata. No
// token is needed, and nobody is called.
func (d *Destination) Preview(m notifier.Message) (notifier.Preview, error) {
	look := d.nominal(m).dress(m)
	payload, err := json.Marshal(struct {
		Channel  string              `json:"channel"`
		Text     string              `json:"text"`
		Blocks   []slack.Block       `json:"blocks"`
		Metadata slack.SlackMetadata `json:"metadata"`
	}{d.Address(), look.text, look.blocks, metadata(m)})
	if err != nil {
		return notifier.Preview{}, fmt.Errorf("preview for slack: %w", err)
	}
	return notifier.Preview{Payload: payload}, nil
}

// metadata holds the key by which Look finds the message again.
func metadata(m notifier.Message) slack.SlackMetadata {
	return slack.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"key": m.Key}}
}

// nominal is d with the mentions that are known without asking anybody; the others are shown as they are written.
func (d *Destination) nominal(m notifier.Message) *Destination {
	if !d.mentions(m) {
		return d
	}
	to := *d
	for _, whom := range d.Mention {
		switch {
		case userID.MatchString(whom):
			whom = "<@" + whom + ">"
		case groupID.MatchString(whom):
			whom = "<!subteam^" + whom + ">"
		case whom == owner:
			whom = "@owner"
		}
		to.mentioned = strings.TrimSpace(to.mentioned + " " + whom)
	}
	return &to
}
