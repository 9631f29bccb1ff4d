package slack_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
)

// outside is a workspace where the bot is in no channel, and its token has these scopes.
func outside(t testing.TB, scopes ...string) (*slacksim.Sim, notifier.BaseNotifier) {
	t.Helper()
	sim, n := workspace(t, slacksim.Options{Channels: []slacksim.Channel{
		{ID: "C0PUBLIC", Name: "public", NotMember: true}, {ID: "C0PRIVATE", Name: "private", NotMember: true, Private: true},
	}})
	sim.SetToken(slacksim.DefaultToken, scopes...)
	return sim, n
}

func TestAPublicChannelIsJoined(t *testing.T) {
	t.Parallel()
	sim, n := outside(t, "chat:write", "channels:join")
	for range 2 {
		_, err := n.Send(t.Context(), channel("#public").WithID("C0PUBLIC"), notifiertest.Message())
		require.NoError(t, err)
	}
	require.Len(t, sim.Messages("C0PUBLIC"), 2)
	require.Equal(t, 1, sim.Calls("conversations.join"))
	require.Equal(t, 3, sim.Calls("chat.postMessage"))
}

func TestAChannelThatCannotBeJoined(t *testing.T) {
	t.Parallel()
	sim, n := outside(t, "chat:write")
	_, err := n.Send(t.Context(), channel("C0PUBLIC"), notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: not_in_channel (invite the bot to the channel: /invite @bot, or give it the scope channels:join for public ones)")
	sim.SetToken(slacksim.DefaultToken, "chat:write", "channels:join")
	_, err = n.Send(t.Context(), channel("#public"), notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: not_in_channel")
	_, err = n.Send(t.Context(), channel("C0PRIVATE"), notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: channel_not_found")
	for code, want := range map[string]notifier.Verdict{
		"method_not_supported_for_channel_type": notifier.Permanent, "ratelimited": notifier.Retry, "internal_error": notifier.Retry,
	} {
		sim.Fail("conversations.join", slacksim.Fault{Error: code})
		_, err = n.Send(t.Context(), channel("C0PUBLIC"), notifiertest.Message())
		got, _ := notifier.VerdictOf(err)
		require.Equal(t, want, got, code)
	}
	sim.Fail("conversations.join", slacksim.Fault{Status: 429, RetryAfter: "7"})
	_, err = n.Send(t.Context(), channel("C0PUBLIC"), notifiertest.Message())
	_, after := notifier.VerdictOf(err)
	require.Equal(t, 7*time.Second, after)
	require.Empty(t, sim.Messages(""))
}

// A send after joining is as unsure as any: it is not sent a third time.
func TestTheOutcomeAfterJoining(t *testing.T) {
	t.Parallel()
	sim, n := outside(t, "chat:write", "channels:join")
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "not_in_channel"})
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "not_in_channel"})
	_, err := n.Send(t.Context(), channel("C0PUBLIC"), notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: not_in_channel")
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "not_in_channel"})
	sim.Fail("chat.postMessage", slacksim.Fault{Stored: true, Reset: true})
	_, err = n.Send(t.Context(), channel("C0PUBLIC"), notifiertest.Message())
	mustBe(t, err, notifier.Unknown)
	require.Len(t, sim.Messages("C0PUBLIC"), 1)
}

// Where the bot may post without being a member, it joins to read what became of a message.
func TestALookJoinsThePublicChannel(t *testing.T) {
	t.Parallel()
	sim, n := outside(t, "chat:write", "chat:write.public", "channels:join", "channels:history")
	m := notifiertest.Message()
	sent, err := n.Send(t.Context(), channel("C0PUBLIC"), m)
	require.NoError(t, err)
	require.Equal(t, 0, sim.Calls("conversations.join"))
	looker := n.(notifier.Looker)
	for _, d := range []notifier.Destination{channel("C0PUBLIC"), inThread(sent)} {
		sim.ChangeChannel("C0PUBLIC", func(c *slacksim.Channel) { c.NotMember = true })
		found, ok, err := looker.Look(t.Context(), d, m.Key, time.Now())
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, sent, found)
	}
	sim.ChangeChannel("C0PUBLIC", func(c *slacksim.Channel) { c.NotMember = true })
	sim.Fail("conversations.join", slacksim.Fault{Error: "internal_error"})
	_, _, err = looker.Look(t.Context(), channel("C0PUBLIC"), m.Key, time.Now())
	mustBe(t, err, notifier.Retry, "internal_error")
	require.False(t, errors.Is(err, notifier.ErrLookImpossible))
	sim.SetToken(slacksim.DefaultToken, "channels:history")
	_, _, err = looker.Look(t.Context(), channel("C0PUBLIC"), m.Key, time.Now())
	require.ErrorIs(t, err, notifier.ErrLookImpossible)
}

func inThread(root notifier.Receipt) notifier.Destination {
	d := channel("C0PUBLIC")
	d.Thread = "execution"
	return d.WithRoot(root)
}
