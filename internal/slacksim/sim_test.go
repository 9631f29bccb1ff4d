package slacksim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

func start(t *testing.T, o slacksim.Options) (*slacksim.Sim, *slack.Client) {
	t.Helper()
	sim := slacksim.New(o)
	t.Cleanup(sim.Close)
	return sim, slack.New(slacksim.DefaultToken, slack.OptionAPIURL(sim.URL()))
}

func post(t *testing.T, c *slack.Client, channel, text string, more ...slack.MsgOption) (string, error) {
	t.Helper()
	_, ts, err := c.PostMessageContext(t.Context(), channel, append(more, slack.MsgOptionText(text, false))...)
	return ts, err
}

func TestPostedMessagesAreKeptInOrderWithUniqueTimestamps(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{})
	seen := map[string]bool{}
	for range 50 {
		ts, err := post(t, c, "#general", "hello")
		require.NoError(t, err)
		require.Regexp(t, `^\d{10}\.\d{6}$`, ts)
		require.False(t, seen[ts], "ts %s came twice", ts)
		seen[ts] = true
	}
	got := sim.Messages("#general")
	require.Len(t, got, 50)
	require.Equal(t, got, sim.Messages(got[0].Channel), "by id")
	require.Equal(t, got, sim.Messages(""), "all")
	require.Empty(t, sim.Messages("nowhere"))
	require.Less(t, got[0].TS, got[49].TS)
}

func TestJSONBodyAndBearerTokenWorkAsTheFormDoes(t *testing.T) {
	t.Parallel()
	sim, _ := start(t, slacksim.Options{})
	body := `{"channel":"general","text":"hi","blocks":[{"type":"header","text":{"type":"plain_text","text":"T"}}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sim.URL()+"chat.postMessage", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Authorization", "Bearer "+slacksim.DefaultToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(answer), `"ok":true`)
	require.Contains(t, resp.Header.Get("X-OAuth-Scopes"), "chat:write")
	got := sim.Messages("general")[0]
	require.Equal(t, "T", slacksim.Render(got))
	require.Equal(t, slacksim.DefaultToken, got.Token)
	require.Equal(t, "hi", got.Args["text"])
}

func TestPostMessageRefusesAsSlackDoes(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{
		Tokens: map[string][]string{
			slacksim.DefaultToken: {"chat:write"}, "xoxb-mute": {"channels:read"},
		},
		Channels: []slacksim.Channel{
			{Name: "in"},
			{Name: "out", NotMember: true},
			{Name: "old", Archived: true},
			{Name: "secret", Private: true, NotMember: true},
			{ID: "G7", Name: "team", Private: true},
		},
	})
	header := func(text string) slack.MsgOption {
		return slack.MsgOptionBlocks(slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", text, false, false)))
	}
	cases := []struct {
		channel, text, want string
		more                slack.MsgOption
	}{
		{channel: "#out", text: "x", want: "not_in_channel"},
		{channel: "#old", text: "x", want: "is_archived"},
		{channel: "#secret", text: "x", want: "channel_not_found"},
		{channel: "#none", text: "x", want: "channel_not_found"},
		{channel: "", text: "x", want: "channel_not_found"},
		{channel: "in", want: "no_text"},
		{channel: "in", text: strings.Repeat("x", 40_001), want: "msg_too_long"},
		{channel: "in", text: "x", more: header(strings.Repeat("x", 151)), want: "invalid_blocks"},
		{channel: "in", text: "x", more: header(""), want: "invalid_blocks"},
		{channel: "in", text: "x", more: slack.MsgOptionMetadata(slack.SlackMetadata{}), want: "invalid_metadata_format"},
		{channel: "in", text: strings.Repeat("x", 40_000)},
		{channel: "in", text: "x", more: header(strings.Repeat("é", 150))},
		{channel: "G7", text: "x"},
	}
	for _, tc := range cases {
		more := []slack.MsgOption{}
		if tc.more != nil {
			more = append(more, tc.more)
		}
		_, err := post(t, c, tc.channel, tc.text, more...)
		if tc.want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, tc.want, "%+v", tc)
	}
	require.Len(t, sim.Messages(""), 3, "what is refused is not kept")

	_, err := post(t, slack.New("xoxb-wrong", slack.OptionAPIURL(sim.URL())), "in", "x")
	require.EqualError(t, err, "invalid_auth")
	_, err = post(t, slack.New("", slack.OptionAPIURL(sim.URL())), "in", "x")
	require.EqualError(t, err, "not_authed")
	_, err = post(t, slack.New("xoxb-mute", slack.OptionAPIURL(sim.URL())), "in", "x")
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	require.True(t, ok)
	require.Equal(t, []string{"missing_scope", "chat:write", "channels:read"}, []string{refused.Err, refused.Needed, refused.Provided})
}

func TestHistoryIsPagedNewestFirstAndShowsMetadataOnlyOnDemand(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{PageSize: 2})
	var stamps []string
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		ts, err := post(t, c, "general", key, slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "x", EventPayload: map[string]any{"key": key}}))
		require.NoError(t, err)
		stamps = append(stamps, ts)
	}
	_, err := post(t, c, "general", "reply", slack.MsgOptionTS(stamps[0]))
	require.NoError(t, err)

	params := &slack.GetConversationHistoryParameters{ChannelID: sim.Messages("general")[0].Channel, IncludeAllMetadata: true, Oldest: stamps[0]}
	var texts []string
	for pages := 0; ; pages++ {
		h, err := c.GetConversationHistoryContext(t.Context(), params)
		require.NoError(t, err)
		require.LessOrEqual(t, len(h.Messages), 2)
		for _, m := range h.Messages {
			require.Equal(t, m.Text, m.Metadata.EventPayload["key"])
			texts = append(texts, m.Text)
		}
		if params.Cursor = h.ResponseMetaData.NextCursor; params.Cursor == "" {
			require.Equal(t, 1, pages)
			break
		}
	}
	require.Equal(t, []string{"e", "d", "c", "b"}, texts, "oldest is exclusive")

	bare, err := c.GetConversationHistoryContext(t.Context(), &slack.GetConversationHistoryParameters{ChannelID: params.ChannelID})
	require.NoError(t, err)
	require.Empty(t, bare.Messages[0].Metadata.EventType)
	thread, _, _, err := c.GetConversationRepliesContext(t.Context(), &slack.GetConversationRepliesParameters{ChannelID: params.ChannelID, Timestamp: stamps[0]})
	require.NoError(t, err)
	require.Equal(t, "a", thread[0].Text)
	require.Equal(t, "reply", thread[1].Text)
	_, _, _, err = c.GetConversationRepliesContext(t.Context(), &slack.GetConversationRepliesParameters{ChannelID: params.ChannelID, Timestamp: "1.000001"})
	require.EqualError(t, err, "thread_not_found")
	_, err = c.GetConversationHistoryContext(t.Context(), &slack.GetConversationHistoryParameters{ChannelID: "general"})
	require.EqualError(t, err, "channel_not_found", "history takes ids only")
	_, err = c.GetConversationHistoryContext(t.Context(), &slack.GetConversationHistoryParameters{ChannelID: params.ChannelID, Cursor: "bogus"})
	require.EqualError(t, err, "invalid_cursor")
}

func TestListShowsWhatTheTokenMaySee(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{PageSize: 1, Channels: []slacksim.Channel{
		{Name: "a"},
		{Name: "b", Archived: true},
		{Name: "p", Private: true},
		{Name: "hidden", Private: true, NotMember: true},
		{Name: "c", NotMember: true},
	}})
	names := func(types ...string) (found []string) {
		p := &slack.GetConversationsParameters{Types: types, ExcludeArchived: true, Limit: 999}
		for {
			page, cursor, err := c.GetConversationsContext(t.Context(), p)
			require.NoError(t, err)
			for _, channel := range page {
				found = append(found, channel.Name)
			}
			if p.Cursor = cursor; cursor == "" {
				return found
			}
		}
	}
	require.Equal(t, []string{"a", "c"}, names())
	require.Equal(t, []string{"a", "p", "c"}, names("public_channel", "private_channel"))

	sim.SetToken(slacksim.DefaultToken, "channels:read")
	_, _, err := c.GetConversationsContext(t.Context(), &slack.GetConversationsParameters{Types: []string{"public_channel", "private_channel"}})
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	require.True(t, ok)
	require.Equal(t, "groups:read", refused.Needed)
	sim.SetToken(slacksim.DefaultToken)
	_, _, err = c.GetConversationsContext(t.Context(), &slack.GetConversationsParameters{})
	require.EqualError(t, err, "invalid_auth")
}

func TestDirectMessagesAreOpenedOnceAndReadByID(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{Users: []slacksim.User{{Name: "ada", Email: "ada@example.org"}}})
	user, err := c.GetUserByEmailContext(t.Context(), "Ada@example.org")
	require.NoError(t, err)
	first, _, _, err := c.OpenConversationContext(t.Context(), &slack.OpenConversationParameters{Users: []string{user.ID}})
	require.NoError(t, err)
	require.Equal(t, byte('D'), first.ID[0])
	again, _, _, err := c.OpenConversationContext(t.Context(), &slack.OpenConversationParameters{Users: []string{user.ID}})
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	_, err = post(t, c, first.ID, "psst")
	require.NoError(t, err)
	require.Len(t, sim.Messages(first.ID), 1)
	info, err := c.GetConversationInfoContext(t.Context(), &slack.GetConversationInfoInput{ChannelID: first.ID})
	require.NoError(t, err)
	require.True(t, info.IsIM)
	_, err = c.GetUserByEmailContext(t.Context(), "nobody@example.org")
	require.EqualError(t, err, "users_not_found")
	_, _, _, err = c.OpenConversationContext(t.Context(), &slack.OpenConversationParameters{Users: []string{"U404"}})
	require.EqualError(t, err, "user_not_found")
	_, err = c.GetConversationInfoContext(t.Context(), &slack.GetConversationInfoInput{ChannelID: "general"})
	require.EqualError(t, err, "channel_not_found", "info takes ids only")
}

func TestFaultsHappenInOrderAndAreCounted(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{})
	sim.Fail("chat.postMessage", slacksim.Fault{Status: 429, RetryAfter: "7"})
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "fatal_error", Stored: true})
	sim.Fail("chat.postMessage", slacksim.Fault{Reset: true})
	sim.Fail("chat.postMessage", slacksim.Fault{Reset: true, Stored: true})
	sim.Fail(slacksim.Any, slacksim.Fault{Status: 503, Times: -1, Body: "<html>"})

	_, err := post(t, c, "general", "1")
	limited, ok := errors.AsType[*slack.RateLimitedError](err)
	require.True(t, ok)
	require.Equal(t, 7*time.Second, limited.RetryAfter)
	_, err = post(t, c, "general", "2")
	require.EqualError(t, err, "fatal_error")
	for _, text := range []string{"3", "4"} {
		_, err = post(t, c, "general", text)
		require.Error(t, err)
		_, answered := errors.AsType[slack.SlackErrorResponse](err)
		require.False(t, answered)
	}
	for range 3 {
		_, err = post(t, c, "general", "5")
		require.ErrorContains(t, err, "503")
	}
	sim.Heal(slacksim.Any)
	_, err = post(t, c, "general", "6")
	require.NoError(t, err)

	var texts []string
	for _, m := range sim.Messages("general") {
		texts = append(texts, m.Text)
	}
	require.Equal(t, []string{"2", "4", "6"}, texts)
	require.Equal(t, 8, sim.Calls("chat.postMessage"))
	sim.Fail("auth.test", slacksim.Fault{Error: "x", Times: 5})
	sim.Heal("auth.test")
	_, err = c.AuthTestContext(t.Context())
	require.NoError(t, err)
}

func TestHangingCallsEndWithTheCallerOrTheSimulator(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{})
	sim.Fail("chat.postMessage", slacksim.Fault{Hang: true})
	sim.Fail("chat.postMessage", slacksim.Fault{Hang: true, Stored: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := c.PostMessageContext(ctx, "general", slack.MsgOptionText("lost", false))
		done <- err
	}()
	require.NoError(t, sim.AwaitCalls(t.Context(), "chat.postMessage", 1))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	go func() {
		_, _, err := c.PostMessageContext(t.Context(), "general", slack.MsgOptionText("kept", false))
		done <- err
	}()
	got, err := sim.Await(t.Context(), "general", 1)
	require.NoError(t, err)
	require.Equal(t, "kept", got[0].Text)
	sim.Close()
	require.Error(t, <-done)
	_, err = sim.Await(ctx, "general", 2)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, sim.AwaitCalls(ctx, "auth.test", 1), context.Canceled)
}

func TestLatencyDelaysAndLetsTheCallGoOn(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{})
	sim.Fail("chat.postMessage", slacksim.Fault{Latency: 20 * time.Millisecond})
	begun := time.Now()
	_, err := post(t, c, "general", "late")
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begun), 20*time.Millisecond)
	require.Len(t, sim.Messages("general"), 1)
}

func TestRateLimitIsPerChannel(t *testing.T) {
	t.Parallel()
	sim, c := start(t, slacksim.Options{Channels: []slacksim.Channel{{Name: "a"}, {Name: "b"}}})
	sim.Limit(time.Hour)
	_, err := post(t, c, "a", "1")
	require.NoError(t, err)
	_, err = post(t, c, "a", "2")
	limited, ok := errors.AsType[*slack.RateLimitedError](err)
	require.True(t, ok)
	require.Equal(t, time.Second, limited.RetryAfter)
	_, err = post(t, c, "b", "3")
	require.NoError(t, err)
	sim.Limit(0)
	_, err = post(t, c, "a", "4")
	require.NoError(t, err)
	sim.ChangeChannel("a", func(c *slacksim.Channel) { c.Archived = true })
	_, err = post(t, c, "a", "5")
	require.EqualError(t, err, "is_archived")
}

func TestUnknownMethodAndBadBodyAreAnswered(t *testing.T) {
	t.Parallel()
	sim, _ := start(t, slacksim.Options{})
	ask := func(method, media, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sim.URL()+method, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", media)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		var answer struct{ Error string }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
		return answer.Error
	}
	form := "application/x-www-form-urlencoded"
	require.Equal(t, "unknown_method", ask("chat.shout", form, "token="+slacksim.DefaultToken))
	require.Equal(t, "invalid_form_data", ask("auth.test", "application/json", "{"))
	require.Equal(t, "invalid_form_data", ask("auth.test", form, "%zz"))
	require.Equal(t, "not_authed", ask("auth.test", form, ""))
}

func TestRenderShowsWhatAPersonReads(t *testing.T) {
	t.Parallel()
	blocks := `[
		{"type":"header","text":{"type":"plain_text","text":"🔴 train FAILED"}},
		{"type":"section","fields":[{"type":"mrkdwn","text":"*Execution*\n<https://c/e|f1> a &lt;b&gt; &amp; 2*3*4"}]},
		{"type":"section","text":{"type":"mrkdwn","text":"*bold* text"}},
		{"type":"rich_text","elements":[{"type":"rich_text_preformatted","elements":[{"type":"text","text":"boom\n at x"}]},
			{"type":"rich_text_section","elements":[{"type":"link","text":"log","url":"https://l"}]}]},
		{"type":"divider"},
		{"type":"context","elements":[{"type":"mrkdwn","text":"one"},{"type":"plain_text","text":"<two>"}]}]`
	want := strings.Join([]string{
		"🔴 train FAILED", "Execution: f1 (https://c/e) a <b> & 2*3*4", "bold text", "| boom", "|  at x", "log (https://l)", "---", "one  <two>",
	}, "\n")
	require.Equal(t, want, slacksim.Render(slacksim.Message{Blocks: json.RawMessage(blocks)}))
	require.Equal(t, "a <b> https://x", slacksim.Render(slacksim.Message{Text: "a &lt;b&gt; <https://x>"}))
}
