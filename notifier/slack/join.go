package slack

import (
	"context"
	"strings"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// admitted makes the bot a member of the public channel of this id, where err says that it is none and its token may
// join (channels:join). It is tried once a call. again says that what failed with err may be asked anew; fault
// is an error of joining to try again after.
func (c *call) admitted(ctx context.Context, id string, err error) (again bool, fault error) {
	if !isCode(err, "not_in_channel") || c.joined || !strings.HasPrefix(id, "C") {
		return false, nil
	}
	c.joined = true
	channel, _, _, err := c.api.JoinConversationContext(ctx, id)
	if err == nil {
		if channel == nil || channel.ID == "" {
			return false, notifier.Retry.Errorf("slack: conversations.join neither answered nor refused")
		}
		return true, nil
	}
	if verdict, _ := c.verdict(err); verdict == notifier.Permanent {
		return false, nil // private, archived, or no scope: what the service said first says what to do
	}
	return false, c.reading(err)
}
