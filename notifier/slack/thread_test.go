package slack_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

func oneChannel() slacksim.Options {
	return slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "one"}, {ID: "C2", Name: "two"}}}
}

// in is the destination as it replies in the thread of a receipt.
func in(d *slack.Destination, r notifier.Receipt) *slack.Destination {
	return d.WithRoot(d.Root(r)).(*slack.Destination)
}

func threaded(broadcast bool) *slack.Destination {
	return &slack.Destination{Channel: "C1", Thread: "execution", Broadcast: broadcast}
}

func TestThreadingIsThatOfTheKeys(t *testing.T) {
	t.Parallel()
	require.Equal(t, notifier.Apart, channel("#a").Threading())
	require.Equal(t, notifier.Apart, (&slack.Destination{Channel: "#a", Thread: "none"}).Threading())
	require.Equal(t, notifier.Replies, threaded(false).Threading())
	require.Equal(t, notifier.Edits, (&slack.Destination{Channel: "#a", Update: true}).Threading())
}

func TestRepliesAreInTheThreadAndFailuresInTheChannelIfAsked(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	root, err := n.Send(t.Context(), threaded(true), execution(notifier.Info, "RUNNING", ""))
	require.NoError(t, err)
	require.NotContains(t, root, "thread_ts")
	for _, tc := range []struct {
		broadcast, want bool
		status          notifier.Status
	}{
		{true, true, notifier.Failure},
		{true, false, notifier.Warning},
		{true, false, notifier.Success},
		{false, false, notifier.Failure},
	} {
		reply, err := n.Send(t.Context(), in(threaded(tc.broadcast), root), execution(tc.status, "X", ""))
		require.NoError(t, err)
		require.Equal(t, root["ts"], reply["thread_ts"])
		require.Equal(t, root, threaded(true).Root(reply), "a reply leads to the same thread")
		all := sim.Messages("one")
		last := all[len(all)-1]
		require.Equal(t, reply["ts"], last.TS)
		require.Equal(t, root["ts"], last.ThreadTS)
		require.Equal(t, tc.want, last.Broadcast, "%+v", tc)
	}
}

func TestAThreadThatIsGoneBeginsAnew(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	root, err := n.Send(t.Context(), threaded(false), keyed("root"))
	require.NoError(t, err)
	require.True(t, sim.Delete("one", root["ts"]))
	next, err := n.Send(t.Context(), in(threaded(false), root), keyed("next"))
	require.NoError(t, err)
	require.NotContains(t, next, "thread_ts", "Slack shows it in the channel")
	require.NotEqual(t, root, threaded(false).Root(next))

	other, err := n.Send(t.Context(), in(&slack.Destination{Channel: "C2", Thread: "execution"}, next), keyed("elsewhere"))
	require.NoError(t, err)
	require.NotContains(t, other, "thread_ts")
	require.NotContains(t, sim.Messages("two")[0].Args, "thread_ts", "a thread of another channel is none")

	for _, code := range []string{"thread_not_found", "cannot_reply_to_message", "restricted_action_thread_locked"} {
		sim.Fail("chat.postMessage", slacksim.Fault{Error: code})
		_, err = n.Send(t.Context(), in(threaded(false), next), keyed("refused"))
		mustBe(t, err, notifier.Permanent, code)
		require.ErrorIs(t, err, notifier.ErrMessageGone)
	}
}

func TestUpdateEditsTheMessage(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	d := &slack.Destination{Channel: "#one", Update: true}
	first, err := n.Send(t.Context(), d, keyed("first"))
	require.NoError(t, err)
	for range 2 {
		got, err := n.Update(t.Context(), d.WithID("C1"), first, keyed("second"))
		require.NoError(t, err)
		require.Equal(t, first, got)
	}
	all := sim.Messages("one")
	require.Len(t, all, 1)
	require.Equal(t, 2, all[0].Edits)
	got, found, err := n.Look(t.Context(), d.WithID("C1"), "second", time.Now())
	require.NoError(t, err)
	require.True(t, found, "the message carries the key of what it says")
	require.Equal(t, first, got)
}

func TestWhatCannotBeEditedIsGone(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	d := &slack.Destination{Channel: "C1", Update: true}
	first, err := n.Send(t.Context(), d, keyed("first"))
	require.NoError(t, err)
	for _, code := range []string{"message_not_found", "cant_update_message", "edit_window_closed"} {
		sim.Fail("chat.update", slacksim.Fault{Error: code})
		_, err = n.Update(t.Context(), d, first, keyed("second"))
		mustBe(t, err, notifier.Permanent, code)
		require.ErrorIs(t, err, notifier.ErrMessageGone)
	}
	calls := sim.Calls("chat.update")
	for _, r := range []notifier.Receipt{nil, {"channel": "C2", "ts": first["ts"]}, {"channel": "C1"}} {
		_, err = n.Update(t.Context(), d, r, keyed("second"))
		require.ErrorIs(t, err, notifier.ErrMessageGone)
	}
	require.Equal(t, calls, sim.Calls("chat.update"), "another channel's message is not asked for")
	_, err = n.Update(t.Context(), nil, first, keyed("second"))
	mustBe(t, err, notifier.Permanent)
}

func TestAnEditMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	d := &slack.Destination{Channel: "C1", Update: true}
	first, err := n.Send(t.Context(), d, keyed("first"))
	require.NoError(t, err)
	for _, f := range []slacksim.Fault{
		{Status: 429, RetryAfter: "7"},
		{Reset: true, Stored: true},
		{Status: 502},
		{Error: "fatal_error"},
		{Body: `{"ok":false}`},
		{Body: `{"ok":`},
	} {
		sim.Fail("chat.update", f)
		_, err = n.Update(t.Context(), d, first, keyed("second"))
		mustBe(t, err, notifier.Retry, "slack: ")
		require.NotErrorIs(t, err, notifier.ErrMessageGone)
	}
	sim.Fail("chat.update", slacksim.Fault{Error: "is_archived"})
	_, err = n.Update(t.Context(), d, first, keyed("second"))
	mustBe(t, err, notifier.Permanent, "is_archived")
	require.ErrorIs(t, err, notifier.ErrDestinationGone)
}

func TestLookReadsTheThreadAndThenTheChannel(t *testing.T) {
	t.Parallel()
	o := oneChannel()
	o.PageSize = 2
	sim, n := workspace(t, o)
	begun := time.Now()
	root, err := n.Send(t.Context(), threaded(false), keyed("root"))
	require.NoError(t, err)
	d := in(threaded(false), root)
	for _, key := range []string{"a", "b", "c"} {
		_, err = n.Send(t.Context(), d, keyed(key))
		require.NoError(t, err)
	}
	sim.Fail("chat.postMessage", slacksim.Fault{Stored: true, Reset: true})
	_, err = n.Send(t.Context(), d, keyed("lost"))
	mustBe(t, err, notifier.Unknown)
	got, found, err := n.Look(t.Context(), d, "lost", begun)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, root["ts"], got["thread_ts"])
	require.Equal(t, 3, sim.Calls("conversations.replies"), "pages")
	require.Zero(t, sim.Calls("conversations.history"))

	_, found, err = n.Look(t.Context(), d, "never", begun)
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, 1, sim.Calls("conversations.history"), "it may be in the channel")

	sim.Fail("conversations.replies", slacksim.Fault{Body: `{"ok":false}`})
	_, _, err = n.Look(t.Context(), d, "lost", begun)
	mustBe(t, err, notifier.Retry, "neither answered nor refused")
	sim.Fail("conversations.replies", slacksim.Fault{Status: 503})
	_, _, err = n.Look(t.Context(), d, "lost", begun)
	mustBe(t, err, notifier.Retry)
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	_, _, err = n.Look(t.Context(), d, "lost", begun)
	require.ErrorIs(t, err, notifier.ErrLookImpossible)
}

func TestLookFindsAReplyWhoseThreadIsGone(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	begun := time.Now()
	root, err := n.Send(t.Context(), threaded(false), keyed("root"))
	require.NoError(t, err)
	require.True(t, sim.Delete("C1", root["ts"]))
	d := in(threaded(false), root)
	want, err := n.Send(t.Context(), d, keyed("orphan"))
	require.NoError(t, err)
	got, found, err := n.Look(t.Context(), d, "orphan", begun)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, want, got)
}

func TestReactionsThatAcknowledge(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	for emoji, want := range map[string]bool{
		"eyes": true, "white_check_mark": true, "+1": true, "+1::skin-tone-4": true, "tada": false, "-1": false, "sob": false,
	} {
		r, err := n.Send(t.Context(), channel("C1"), keyed(emoji))
		require.NoError(t, err)
		by, err := n.Acknowledged(t.Context(), r)
		require.NoError(t, err)
		require.Empty(t, by)
		require.Empty(t, sim.React("one", r["ts"], "U7", emoji))
		by, err = n.Acknowledged(t.Context(), r)
		require.NoError(t, err)
		if want {
			require.Equal(t, "U7 with :"+emoji+":", by)
		} else {
			require.Empty(t, by, emoji)
		}
	}
}

func TestNobodyAcknowledgesWhatCannotBeAskedAbout(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, oneChannel())
	r, err := n.Send(t.Context(), channel("C1"), keyed("k"))
	require.NoError(t, err)
	for _, gone := range []notifier.Receipt{nil, {"channel": "C1"}, {"channel": "C1", "ts": "1.000001"}, {"channel": "C404", "ts": r["ts"]}} {
		by, err := n.Acknowledged(t.Context(), gone)
		require.NoError(t, err)
		require.Empty(t, by)
	}
	sim.Fail("reactions.get", slacksim.Fault{Status: 429, RetryAfter: "3"})
	_, err = n.Acknowledged(t.Context(), r)
	mustBe(t, err, notifier.Retry, "ratelimited")
	require.NotErrorIs(t, err, notifier.ErrLookImpossible)
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	_, err = n.Acknowledged(t.Context(), r)
	require.ErrorIs(t, err, notifier.ErrLookImpossible)
	require.ErrorContains(t, err, "missing_scope reactions:read")
}

// TestGoldenThreads shows what Slack is told of an execution that runs and fails.
func TestGoldenThreads(t *testing.T) {
	t.Parallel()
	running, failed := execution(notifier.Info, "RUNNING", ""), execution(notifier.Failure, "FAILED", "ValueError: bad")
	failed.Key = "d-2"

	sim, n := workspace(t, oneChannel())
	root, err := n.Send(t.Context(), threaded(true), running)
	require.NoError(t, err)
	_, err = n.Send(t.Context(), in(threaded(true), root), failed)
	require.NoError(t, err)
	all := sim.Messages("one")
	golden(t, "thread.json", arguments(t, root, all[0], all[1]))

	sim, n = workspace(t, oneChannel())
	d := &slack.Destination{Channel: "C1", Update: true}
	first, err := n.Send(t.Context(), d, running)
	require.NoError(t, err)
	before := sim.Messages("one")[0]
	_, err = n.Update(t.Context(), d, first, failed)
	require.NoError(t, err)
	golden(t, "update.json", arguments(t, first, before, sim.Messages("one")[0]))
}

// arguments shows what each message's latest call was given, with ROOT for the ts of the first.
func arguments(t *testing.T, root notifier.Receipt, all ...slacksim.Message) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	for _, m := range all {
		shown := map[string]any{}
		for key, arg := range m.Args {
			if json.Valid([]byte(arg)) && strings.HasPrefix(arg, "{") || strings.HasPrefix(arg, "[") {
				shown[key] = json.RawMessage(arg)
			} else {
				shown[key] = strings.ReplaceAll(arg, root["ts"], "ROOT")
			}
		}
		require.NoError(t, enc.Encode(shown))
	}
	return out.String()
}
