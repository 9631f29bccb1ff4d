package slacksim_test

import (
	"errors"
	"testing"

	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

func TestRepliesAreInTheirThreadAndInTheChannelWhenBroadcast(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}, {ID: "C2", Name: "two"}}})
	root, err := post(t, c, "C1", "root")
	require.NoError(t, err)
	for _, text := range []string{"quiet", "loud"} {
		more := []slack.MsgOption{slack.MsgOptionTS(root)}
		if text == "loud" {
			more = append(more, slack.MsgOptionBroadcast())
		}
		_, _, m, err := c.PostMessageWithResponseContext(t.Context(), "C1", append(more, slack.MsgOptionText(text, false))...)
		require.NoError(t, err)
		require.Equal(t, root, m.ThreadTimestamp)
	}
	shown, err := c.GetConversationHistoryContext(t.Context(), &slack.GetConversationHistoryParameters{ChannelID: "C1"})
	require.NoError(t, err)
	require.Len(t, shown.Messages, 2)
	require.Equal(t, "loud", shown.Messages[0].Text)
	require.Equal(t, "thread_broadcast", shown.Messages[0].SubType)
	require.Equal(t, 2, shown.Messages[1].ReplyCount)
	thread, _, _, err := c.GetConversationRepliesContext(t.Context(), &slack.GetConversationRepliesParameters{ChannelID: "C1", Timestamp: root})
	require.NoError(t, err)
	require.Len(t, thread, 3)

	_, _, m, err := c.PostMessageWithResponseContext(t.Context(), "C2", slack.MsgOptionText("elsewhere", false), slack.MsgOptionTS(root))
	require.NoError(t, err, "Slack says nothing")
	require.Empty(t, m.ThreadTimestamp)
	require.Empty(t, sim.Messages("C2")[0].ThreadTS)
}

func TestADeletedMessageLeavesAMarkWhileItHasReplies(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}}})
	alone, err := post(t, c, "C1", "alone")
	require.NoError(t, err)
	root, err := post(t, c, "C1", "root")
	require.NoError(t, err)
	_, err = post(t, c, "C1", "reply", slack.MsgOptionTS(root))
	require.NoError(t, err)
	require.True(t, sim.Delete("one", alone))
	require.True(t, sim.Delete("C1", root))
	require.False(t, sim.Delete("C1", root))
	require.False(t, sim.Delete("C404", root))
	require.Len(t, sim.Messages("one"), 1)
	for _, ts := range []string{alone, root} {
		_, _, _, err = c.UpdateMessageContext(t.Context(), "C1", ts, slack.MsgOptionText("x", false))
		require.EqualError(t, err, "message_not_found")
	}
	thread, _, _, err := c.GetConversationRepliesContext(t.Context(), &slack.GetConversationRepliesParameters{ChannelID: "C1", Timestamp: root})
	require.NoError(t, err)
	require.Equal(t, "tombstone", thread[0].SubType)
	_, _, m, err := c.PostMessageWithResponseContext(t.Context(), "C1", slack.MsgOptionText("late", false), slack.MsgOptionTS(root))
	require.NoError(t, err)
	require.Equal(t, root, m.ThreadTimestamp)
	_, _, m, err = c.PostMessageWithResponseContext(t.Context(), "C1", slack.MsgOptionText("late", false), slack.MsgOptionTS(alone))
	require.NoError(t, err)
	require.Empty(t, m.ThreadTimestamp, "it is shown in the channel")
}

func TestUpdateEditsOnlyWhatTheTokenPosted(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{
		Channels: []slacksim.Channel{{ID: "C1", Name: "one"}},
		Tokens:   map[string][]string{slacksim.DefaultToken: slacksim.AllScopes, "xoxb-other": {"chat:write"}, "xoxb-mute": {"channels:read"}},
	})
	meta := slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "x", EventPayload: map[string]any{"key": "k"}})
	ts, err := post(t, c, "one", "before", meta)
	require.NoError(t, err)
	_, got, text, err := c.UpdateMessageContext(t.Context(), "C1", ts, slack.MsgOptionText("after", false))
	require.NoError(t, err)
	require.Equal(t, []string{ts, "after"}, []string{got, text})
	m := sim.Messages("one")
	require.Len(t, m, 1)
	require.Equal(t, []any{"after", 1}, []any{m[0].Text, m[0].Edits})
	require.Contains(t, string(m[0].Metadata), `"k"`, "what is not given stays")

	other := slack.New("xoxb-other", slack.OptionAPIURL(sim.URL()))
	_, _, _, err = other.UpdateMessageContext(t.Context(), "C1", ts, slack.MsgOptionText("x", false))
	require.EqualError(t, err, "cant_update_message")
	_, _, _, err = slack.New("xoxb-mute", slack.OptionAPIURL(sim.URL())).UpdateMessageContext(t.Context(), "C1", ts, slack.MsgOptionText("x", false))
	require.EqualError(t, err, "missing_scope")
	_, _, _, err = c.UpdateMessageContext(t.Context(), "one", ts, slack.MsgOptionText("x", false))
	require.EqualError(t, err, "channel_not_found", "it takes ids only")
	_, _, _, err = c.UpdateMessageContext(t.Context(), "C1", ts)
	require.EqualError(t, err, "no_text")
}

func TestReactions(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}}})
	ts, err := post(t, c, "one", "look")
	require.NoError(t, err)
	ref := slack.NewRefToMessage("C1", ts)
	none, err := c.GetReactionsContext(t.Context(), ref, slack.GetReactionsParameters{})
	require.NoError(t, err)
	require.Empty(t, none.Reactions)
	require.NoError(t, c.AddReactionContext(t.Context(), "eyes", ref))
	require.Empty(t, sim.React("one", ts, "U1", "eyes"))
	require.Empty(t, sim.React("one", ts, "U1", "+1::skin-tone-3"))
	require.Equal(t, "already_reacted", sim.React("one", ts, "U1", "eyes"))
	require.Equal(t, "invalid_name", sim.React("one", ts, "U1", "Not Me"))
	require.Equal(t, "message_not_found", sim.React("one", "1.000001", "U1", "eyes"))
	require.Equal(t, "channel_not_found", sim.React("none", ts, "U1", "eyes"))
	got, err := c.GetReactionsContext(t.Context(), ref, slack.GetReactionsParameters{Full: true})
	require.NoError(t, err)
	require.Equal(t, []slack.ItemReaction{
		{Name: "eyes", Count: 2, Users: []string{"U000000BOT", "U1"}}, {Name: "+1::skin-tone-3", Count: 1, Users: []string{"U1"}},
	}, got.Reactions)

	_, err = c.GetReactionsContext(t.Context(), slack.NewRefToMessage("C1", "1.000001"), slack.GetReactionsParameters{})
	require.EqualError(t, err, "message_not_found")
	_, err = c.GetReactionsContext(t.Context(), slack.ItemRef{}, slack.GetReactionsParameters{})
	require.EqualError(t, err, "no_item_specified")
	require.EqualError(t, c.AddReactionContext(t.Context(), "eyes", slack.NewRefToMessage("one", ts)), "channel_not_found")
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	_, err = c.GetReactionsContext(t.Context(), ref, slack.GetReactionsParameters{})
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	require.True(t, ok)
	require.Equal(t, []string{"missing_scope", "reactions:read"}, []string{refused.Err, refused.Needed})
	require.EqualError(t, c.AddReactionContext(t.Context(), "eyes", ref), "missing_scope")
}
