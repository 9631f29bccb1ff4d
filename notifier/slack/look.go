package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

const (
	eventType = "flyte_notifier" // of the metadata that every message of ours carries

	// skew is how far Slack's clock may be behind ours.
	skew = 60 * time.Second
	// historyPage is what is asked for at once; Slack gives some apps less.
	historyPage = 200
)

// Look searches the history of d's conversation for the message with this key. It needs the
// conversation's id, a history scope and membership; without them the error wraps
// notifier.ErrLookImpossible.
func (n *Notifier) Look(ctx context.Context, d notifier.Destination, key string, since time.Time) (notifier.Receipt, bool, error) {
	dest, ok := d.(*Destination)
	if !ok {
		return nil, false, notifier.Permanent.Errorf("slack: destination is a %T", d)
	}
	id := dest.exactID()
	if !channelID.MatchString(id) {
		return nil, false, fmt.Errorf("slack: the id of %s is not known: %w", dest.Address(), notifier.ErrLookImpossible)
	}
	c, err := n.call()
	if err != nil {
		return nil, false, err
	}
	params := &slack.GetConversationHistoryParameters{
		ChannelID: id, Oldest: stamp(since.Add(-skew)), Inclusive: true, Limit: historyPage, IncludeAllMetadata: true,
	}
	for {
		page, err := c.api.GetConversationHistoryContext(ctx, params)
		if err != nil {
			return nil, false, c.looking(err)
		}
		if ts := find(page.Messages, key); ts != "" {
			return notifier.Receipt{"channel": id, "ts": ts}, true, nil
		}
		if !page.Ok {
			return nil, false, notifier.Retry.Errorf("slack: conversations.history neither answered nor refused")
		}
		if params.Cursor = page.ResponseMetaData.NextCursor; params.Cursor == "" {
			return nil, false, nil
		}
	}
}

// looking classifies a failed look-up: what Slack will never show cannot be looked up.
func (c *call) looking(err error) error {
	_, unreadable := errors.AsType[*json.UnmarshalTypeError](err) // another's odd message: it stays
	if unreadable || c.refusedWith(err, "not_in_channel", "channel_not_found", "no_permission", "access_denied", "not_allowed_token_type") {
		return fmt.Errorf("%w: %w", c.explain(err), notifier.ErrLookImpossible)
	}
	return c.reading(err)
}

func find(messages []slack.Message, key string) string {
	for _, m := range messages {
		if m.Metadata.EventType == eventType && m.Metadata.EventPayload["key"] == key {
			return m.Timestamp
		}
	}
	return ""
}

// stamp is a time as Slack's ts.
func stamp(t time.Time) string {
	micros := max(t.UnixMicro(), 0)
	return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
}
