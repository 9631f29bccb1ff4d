package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// acknowledging are the emojis by which people say that they have seen a message, or see to it. A color of skin
// may follow.
func acknowledging(emoji string) bool {
	name, _, _ := strings.Cut(emoji, "::")
	return slices.Contains([]string{"eyes", "white_check_mark", "heavy_check_mark", "ballot_box_with_check", "+1", "thumbsup", "ok_hand", "raised_hand", "raising_hand"}, name)
}

// Acknowledged asks with reactions.get whether anybody put an emoji on the message that says so (:eyes:,
// :white_check_mark:, :+1: ...). It needs the scope reactions:read.
func (n *Notifier) Acknowledged(ctx context.Context, r notifier.Receipt) (by string, err error) {
	if r[receiptChannel] == "" || r[receiptTS] == "" {
		return "", nil
	}
	c, err := n.call()
	if err != nil {
		return "", err
	}
	item, err := c.api.GetReactionsContext(ctx, slack.NewRefToMessage(r[receiptChannel], r[receiptTS]), slack.GetReactionsParameters{Full: true})
	switch {
	case err == nil:
	case c.refusedWith(err, "no_permission", "access_denied", "not_allowed_token_type"):
		return "", fmt.Errorf("%w: %w", c.explain(err), notifier.ErrLookImpossible)
	case isCode(err, "message_not_found", "channel_not_found", "not_in_channel"):
		return "", nil // nobody reacts on what is gone
	default:
		return "", c.reading(err)
	}
	for _, reaction := range item.Reactions {
		if acknowledging(reaction.Name) {
			return c.Quote(who(reaction.Users)+" with :"+reaction.Name+":", maxQuote), nil
		}
	}
	return "", nil
}

// who names the first of those who reacted, by their id.
func who(users []string) string {
	if len(users) == 0 {
		return "somebody"
	}
	return users[0]
}
