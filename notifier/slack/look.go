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

// Look searches the thread that d replies in, if it does, and the history of its conversation for the message with
// this key: a reply whose thread is gone is in the conversation. It needs the conversation's id, a history scope and
// membership, which it takes where it may; without them the error wraps notifier.ErrLookImpossible.
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
	oldest := stamp(since.Add(-skew))
	if thread := dest.thread(); thread != "" {
		r, found, err := c.lookInThread(ctx, id, thread, key)
		if found || err != nil {
			return r, found, err
		}
	}
	return c.lookInChannel(ctx, id, oldest, key)
}

// lookInChannel reads the conversation itself.
func (c *call) lookInChannel(ctx context.Context, id, oldest, key string) (notifier.Receipt, bool, error) {
	params := &slack.GetConversationHistoryParameters{
		ChannelID: id, Oldest: oldest, Inclusive: true, Limit: historyPage, IncludeAllMetadata: true,
	}
	for {
		page, err := c.api.GetConversationHistoryContext(ctx, params)
		if again, fault := c.admitted(ctx, id, err); again {
			continue
		} else if fault != nil {
			return nil, false, fault
		}
		if err != nil {
			return nil, false, c.looking(err)
		}
		if r, found := c.find(id, page.Messages, key); found {
			return r, true, nil
		}
		if !page.Ok {
			return nil, false, notifier.Retry.Errorf("slack: conversations.history neither answered nor refused")
		}
		if params.Cursor = page.ResponseMetaData.NextCursor; params.Cursor == "" {
			return nil, false, nil
		}
	}
}

// lookInThread reads the replies of a thread, all of them: then the message that began it is there for sure, and an
// answer without any is none. A thread that is gone has none.
func (c *call) lookInThread(ctx context.Context, id, thread, key string) (notifier.Receipt, bool, error) {
	params := &slack.GetConversationRepliesParameters{
		ChannelID: id, Timestamp: thread, Inclusive: true, Limit: historyPage, IncludeAllMetadata: true,
	}
	for {
		messages, _, next, err := c.api.GetConversationRepliesContext(ctx, params)
		if isCode(err, "thread_not_found") {
			return nil, false, nil
		}
		if again, fault := c.admitted(ctx, id, err); again {
			continue
		} else if fault != nil {
			return nil, false, fault
		}
		if err != nil {
			return nil, false, c.looking(err)
		}
		if r, found := c.find(id, messages, key); found {
			return r, true, nil
		}
		if len(messages) == 0 {
			return nil, false, notifier.Retry.Errorf("slack: conversations.replies neither answered nor refused")
		}
		if params.Cursor = next; next == "" {
			return nil, false, nil
		}
	}
}

// looking classifies a failed look-up: what Slack will never show cannot be looked up.
func (c *call) looking(err error) error {
	odd, ok := errors.AsType[*json.UnmarshalTypeError](err)
	unreadable := ok && odd.Field != "" // another's odd message: it stays. No object at all is no answer of Slack's.
	if unreadable || c.refusedWith(err, "not_in_channel", "channel_not_found", "no_permission", "access_denied", "not_allowed_token_type") {
		return fmt.Errorf("%w: %w", c.explain(err), notifier.ErrLookImpossible)
	}
	return c.reading(err)
}

// find returns the receipt of the message with this key.
func (c *call) find(channel string, messages []slack.Message, key string) (notifier.Receipt, bool) {
	for _, m := range messages {
		if m.Metadata.EventType == eventType && m.Metadata.EventPayload["key"] == key && m.Timestamp != "" {
			return c.receipt(channel, m.Timestamp, m.ThreadTimestamp), true
		}
	}
	return nil, false
}

// stamp is a time as Slack's ts.
func stamp(t time.Time) string {
	micros := max(t.UnixMicro(), 0)
	return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
}
