package slack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

// failing is a message of which an error this long is shown in part.
func failing(whole string) notifier.Message {
	m := notifiertest.Message()
	m.Key, m.Error = "d-1/../2", whole[:min(len(whole), 100)]
	m.Vars = map[string]any{"Error": whole}
	return m
}

var traceback = strings.Repeat("File \"/root/train.py\"\x1b[31m <!channel>\n", 500) + "ValueError"

func TestALongErrorFollowsAsAFile(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	receipt, err := n.Send(t.Context(), channel("general"), failing(traceback))
	require.NoError(t, err)
	got := sim.Messages("general")
	require.Len(t, got, 1)
	files := sim.Files()
	require.Len(t, files, 1)
	require.Equal(t, notifier.Receipt{"channel": got[0].Channel, "ts": got[0].TS, "file": files[0].ID}, receipt)
	require.Equal(t, got[0].TS, files[0].ThreadTS)
	require.Equal(t, got[0].Channel, files[0].Channel)
	require.Equal(t, "error-d-12.txt", files[0].Name, "the key tells files apart, and is no path")
	require.Equal(t, strings.ReplaceAll(traceback, "\x1b[31m", "")+"\n", files[0].Content)

	d := inThread(receipt).(*slack.Destination)
	d.Channel = got[0].Channel
	_, err = n.Send(t.Context(), d.WithRoot(receipt), failing(traceback))
	require.NoError(t, err)
	require.Equal(t, got[0].TS, sim.Files()[1].ThreadTS, "a reply's file is in the same thread")
}

func TestErrorsThatNeedNoFile(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	none := channel("general")
	none.Attach = "none"
	_, err := n.Send(t.Context(), none, failing(traceback))
	require.NoError(t, err)
	short := failing("short")
	ofOwn := failing(traceback)
	ofOwn.Error = "" // a body of the author's own
	for _, m := range []notifier.Message{short, ofOwn, notifiertest.Message()} {
		_, err = n.Send(t.Context(), channel("general"), m)
		require.NoError(t, err)
	}
	require.Equal(t, 0, sim.Calls("files.getUploadURLExternal"))
	require.Len(t, sim.Messages("general"), 4)
	dear := failing(strings.Repeat("&", 1000)) // it takes 5,000 characters of mrkdwn
	dear.Error = strings.Repeat("&", 1000)
	_, err = n.Send(t.Context(), channel("general"), dear)
	require.NoError(t, err)
	require.Len(t, sim.Files(), 1)
	require.NotEmpty(t, (&slack.Destination{Channel: "a", Attach: "all"}).Validate())
}

func TestAHugeErrorIsCut(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	_, err := n.Send(t.Context(), channel("general"), failing(strings.Repeat("é", 2<<20)))
	require.NoError(t, err)
	require.Less(t, len(sim.Files()[0].Content), 1<<20+100)
	require.Contains(t, sim.Files()[0].Content, "… cut after 1048576 bytes")
}

// Without the scope the message itself says so, and Slack is not asked for each.
func TestWithoutTheScopeForFiles(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	for range 2 {
		receipt, err := n.Send(t.Context(), channel("general"), failing(traceback))
		require.NoError(t, err)
		require.NotContains(t, receipt, "file")
	}
	for _, m := range sim.Messages("general") {
		require.Contains(t, slacksim.Render(m), "The whole error text is not attached: missing_scope files:write")
	}
	require.Equal(t, 1, sim.Calls("files.getUploadURLExternal"))
}

// A file that fails neither loses its message nor sends it twice.
func TestAFileThatFails(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"files.getUploadURLExternal", slacksim.Upload, "files.completeUploadExternal"} {
		for _, f := range []slacksim.Fault{
			{Error: "internal_error"}, {Status: 500}, {Status: 429, RetryAfter: "9"}, {Reset: true}, {Body: "<html>"}, {Body: `{"ok":true}`}, {Body: `{"ok":false}`}, {Status: 302},
		} {
			sim, n := workspace(t, slacksim.Options{})
			sim.Fail(method, f)
			receipt, err := n.Send(t.Context(), channel("general"), failing(traceback))
			require.NoError(t, err, "%s %+v", method, f)
			got := sim.Messages("general")
			require.Len(t, got, 1, "%s %+v", method, f)
			require.Equal(t, got[0].TS, receipt["ts"])
			shown := slacksim.Render(got[0])
			noted := strings.Contains(shown, "The whole error text is not attached: ")
			require.True(t, noted || receipt["file_error"] != "" || receipt["file"] != "", "%s %+v: %s", method, f, shown)
			require.NotContains(t, receipt["file_error"], slacksim.DefaultToken)
			require.NotContains(t, receipt["file_error"], "/upload/")
		}
	}
}

// A message that was refused has no file.
func TestNoFileWithoutAMessage(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "is_archived"})
	_, err := n.Send(t.Context(), channel("general"), failing(traceback))
	mustBe(t, err, notifier.Permanent, "is_archived")
	require.Equal(t, 0, sim.Calls(slacksim.Upload))
	require.Empty(t, sim.Files())
}
