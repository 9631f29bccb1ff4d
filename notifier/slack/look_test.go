package slack_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	ours "github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

func keyed(key string) notifier.Message {
	m := notifiertest.Message()
	m.Key = key
	return m
}

func TestLookFindsWhatALostAnswerDelivered(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}, {ID: "C2", Name: "two"}}})
	d := channel("one").WithID("C1")
	for _, f := range []slacksim.Fault{{Stored: true, Reset: true}, {Stored: true, Status: 502}, {Stored: true, Error: "fatal_error"}} {
		begun := time.Now()
		key := fmt.Sprintf("lost-%d", len(sim.Messages("")))
		_, found, err := n.Look(t.Context(), d, key, begun)
		require.NoError(t, err)
		require.False(t, found, "before the send")

		sim.Fail("chat.postMessage", f)
		_, err = n.Send(t.Context(), d, keyed(key))
		mustBe(t, err, notifier.Unknown)
		receipt, found, err := n.Look(t.Context(), d, key, begun)
		require.NoError(t, err)
		require.True(t, found)
		all := sim.Messages("one")
		require.Equal(t, notifier.Receipt{"channel": "C1", "ts": all[len(all)-1].TS}, receipt)

		_, found, err = n.Look(t.Context(), channel("C2"), key, begun)
		require.NoError(t, err)
		require.False(t, found, "another channel does not have it")
	}
}

func TestLookReadsAllPagesAndOnlyOurMessages(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{PageSize: 3, Channels: []slacksim.Channel{{ID: "C1", Name: "one"}}})
	begun := time.Now()
	want, err := n.Send(t.Context(), channel("C1"), keyed("first"))
	require.NoError(t, err)
	other := slack.New(slacksim.DefaultToken, slack.OptionAPIURL(sim.URL()))
	for i := range 10 {
		_, _, err := other.PostMessageContext(t.Context(), "C1", slack.MsgOptionText("chatter", false),
			slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "other", EventPayload: map[string]any{"key": "theirs", "n": i}}))
		require.NoError(t, err)
	}
	got, found, err := n.Look(t.Context(), channel("C1"), "first", begun)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, want, got)
	require.Equal(t, 4, sim.Calls("conversations.history"))

	_, found, err = n.Look(t.Context(), channel("C1"), "theirs", begun)
	require.NoError(t, err)
	require.False(t, found, "a key in another app's metadata is none of ours")
	_, found, err = n.Look(t.Context(), channel("C1"), "first", begun.Add(50*time.Second))
	require.NoError(t, err)
	require.True(t, found, "clocks may differ by a minute")
	_, found, err = n.Look(t.Context(), channel("C1"), "first", begun.Add(2*time.Minute))
	require.NoError(t, err)
	require.False(t, found, "older messages are not looked at")
}

func TestLookThatSlackWillNeverAnswer(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}, {ID: "C2", Name: "out", NotMember: true}}})
	impossible := func(d notifier.Destination, parts ...string) {
		t.Helper()
		_, found, err := n.Look(t.Context(), d, "k", time.Now())
		require.ErrorIs(t, err, notifier.ErrLookImpossible)
		require.False(t, found)
		for _, part := range parts {
			require.ErrorContains(t, err, part)
		}
	}
	impossible(channel("#one"), "#one", "is not known")
	impossible((&ours.Destination{Email: "ada@example.org"}).WithID("U0ADA"), "email:ada@example.org")
	sim.Fail("conversations.join", slacksim.Fault{Error: "missing_scope"})
	impossible(channel("C2"), "not_in_channel")
	impossible(channel("C404"), "channel_not_found")
	for _, code := range []string{"unknown_method", "no_permission", "access_denied", "not_allowed_token_type"} {
		sim.Fail("conversations.history", slacksim.Fault{Error: code})
		impossible(channel("C1"), code)
	}
	sim.Fail("conversations.history", slacksim.Fault{Status: 404})
	impossible(channel("C1"), "404")
	sim.Fail("conversations.history", slacksim.Fault{Body: `{"ok":true,"messages":[{"text":{"odd":1}}]}`})
	impossible(channel("C1"), "unreadable answer")
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	impossible(channel("C1"), "missing_scope channels:history")
}

func TestLookThatMayBeAnsweredLater(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}}})
	_, err := n.Send(t.Context(), channel("C1"), keyed("k"))
	require.NoError(t, err)
	for _, f := range []slacksim.Fault{
		{Status: 429, RetryAfter: "3"},
		{Status: 500},
		{Error: "internal_error"},
		{Reset: true},
		{Error: "ratelimited"},
		{Body: "<html>"},
		{Body: `{"ok":false}`},
		{Body: `{"ok":tr`},
		{Body: `[]`}, // not Slack's, whoever says it
		{Body: `"ok"`},
		{Body: `7`},
		{Body: `null`},
	} {
		sim.Fail("conversations.history", f)
		_, found, err := n.Look(t.Context(), channel("C1"), "k", time.Now())
		mustBe(t, err, notifier.Retry, "slack: ")
		require.NotErrorIs(t, err, notifier.ErrLookImpossible, "%+v", f)
		require.False(t, found)
	}
	sim.Fail("conversations.history", slacksim.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err = n.Look(ctx, channel("C1"), "k", time.Now())
	mustBe(t, err, notifier.Retry)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, _, err = n.Look(ctx, nil, "k", time.Now())
	mustBe(t, err, notifier.Permanent)
}
