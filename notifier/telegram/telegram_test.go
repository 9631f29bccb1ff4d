package telegram_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/telegram"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestConformance(t *testing.T) {
	t.Parallel()
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			return open(t, url, client)
		},
		Destination: &telegram.Destination{ChatID: group},
		Accept:      &botAPI{}, // it refuses what Telegram refuses
		Secrets:     []string{token, "AAExample-Token_0123456789abcdefghi"},
		MaxRequest:  64 << 10,
		Verdicts:    map[int]notifier.Verdict{http.StatusServiceUnavailable: notifier.Retry},
		Inspect: func(t testing.TB, _ *http.Request, body []byte) {
			t.Helper()
			var s sent
			assert.NoError(t, json.Unmarshal(body, &s))
			harmless(t, s.Text)
		},
	})
}

// show sends m and returns what people read.
func show(t testing.TB, m notifier.Message) string {
	t.Helper()
	api := &botAPI{}
	_, err := serve(t, api).Send(t.Context(), &telegram.Destination{ChatID: group}, m)
	require.NoError(t, err)
	harmless(t, api.messages[0].Text)
	return shown(t, api.messages[0].Text)
}

func TestAMessageSaysAll(t *testing.T) {
	t.Parallel()
	api := &botAPI{}
	m := notifiertest.Message()
	m.Body, m.Notes = "See https://grafana.example.org/d?a=b&c=d. @ada /stop #1 ada@example.org /@x", []string{"a note"}
	m.Error = "a < b && \"c\"\n</pre>@everyone"
	m.Facts = append(m.Facts, notifier.Fact{Name: "Empty"}, notifier.Fact{Value: "nameless", URL: "javascript:alert(1)"}, notifier.Fact{})
	m.Links = append(m.Links, notifier.Link{Text: "file", URL: "file:///etc/passwd"}, notifier.Link{URL: "https://bare.example.org"})
	receipt, err := serve(t, api).Send(t.Context(), &telegram.Destination{ChatID: "@ml_alerts", ThreadID: 42, Silent: true}, m)
	require.NoError(t, err)
	require.Equal(t, notifier.Receipt{"chat_id": group, "message_id": "1"}, receipt)
	got := api.messages[0]
	harmless(t, got.Text)
	require.Equal(t, strings.Join([]string{
		"❌ train FAILED", "See https://grafana.example.org/d?a=b&c=d. @ada /stop #1 ada@example.org /@x",
		"Execution: f1\nEmpty: –\nnameless", "a < b && \"c\"\n</pre>@everyone",
		"Open in the console  •  https://bare.example.org", "a note\nphase:FAILED · 2026-11-22 03:00:00 UTC",
	}, "\n\n"), shown(t, got.Text))
	require.Contains(t, got.Text, `<a href="https://grafana.example.org/d?a=b&amp;c=d">`)
	require.Contains(t, got.Text, `ada@example.org`, "an address is none that is called")
	got.Text = ""
	want := sent{ChatID: "@ml_alerts", ThreadID: 42, ParseMode: "HTML", Silent: true}
	want.Previews.Disabled = true
	require.Equal(t, want, got)
	require.Equal(t, "ℹ️ Flyte notification", show(t, notifier.Message{}))
}

func TestLongTextsAreCutSayingSo(t *testing.T) {
	t.Parallel()
	m := notifiertest.Message()
	m.Title, m.Error, m.Body = strings.Repeat("t", 500), "first\n"+strings.Repeat("é", 1<<17)+"\nlast", strings.Repeat("b", 9999)
	for range 40 {
		m.Facts = append(m.Facts, notifier.Fact{Name: "Name", Value: strings.Repeat("v", 1000)})
		m.Notes = append(m.Notes, "note")
	}
	got := show(t, m)
	require.Regexp(t, `^❌ t{190,198}…\n`, got)
	require.Regexp(t, `\nfirst\né+\n… \(\d+ characters cut\) …\né+\nlast\n`, got)
	require.Regexp(t, `b\n… \(\d+ characters cut\) …\nb`, got)
	require.Regexp(t, `Name: v{20,}…\n`, got)
	require.Contains(t, got, "… (21 facts cut)")
	require.Contains(t, got, "Open in the console")
}

func TestAMessageOfSeveralIsAListOfLinks(t *testing.T) {
	t.Parallel()
	m := notifier.Message{Title: "several", Body: "the same as text", More: 15}
	for i := range 30 {
		m.Items = append(m.Items, notifier.Item{
			Time: time.Date(2026, 11, 22, 3, 40, i, 0, time.UTC), URL: fmt.Sprintf("https://flyte.example.org/console/projects/ml/domains/production/executions/f%d", i),
			Text: fmt.Sprintf("train FAILED <b> (f%d)", i),
		})
	}
	m.Items[1].URL = "javascript:alert(1)"
	api := &botAPI{}
	_, err := serve(t, api).Send(t.Context(), &telegram.Destination{ChatID: group}, m)
	require.NoError(t, err)
	got := api.messages[0].Text
	harmless(t, got)
	require.Equal(t, 29, strings.Count(got, "<a href="))
	require.Contains(t, got, "executions/f29\">train FAILED &lt;b&gt; (f29)</a>\n… and 15 more")
	require.Contains(t, shown(t, got), "\n• 2026-11-22 03:40 UTC  train FAILED <b> (f1)\n")
	require.NotContains(t, got, "the same as text")

	for i := range m.Items {
		m.Items[i].Text = strings.Repeat("long ", 40) + m.Items[i].Text
	}
	lines := strings.Split(show(t, m), "\n")
	more := 45 - (len(lines) - 3)
	require.Equal(t, fmt.Sprintf("… and %d more", more), lines[len(lines)-1])
	require.Greater(t, more, 15)
}

// TestABodyThatIsCutHasNoTornLinks: half an address leads elsewhere, or to another execution.
func TestABodyThatIsCutHasNoTornLinks(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	for i := range 100 {
		fmt.Fprintf(&body, "run %d https://flyte.example.org/console/executions/%08d/\n", i, i)
	}
	got := show(t, notifier.Message{Title: "long", Body: body.String()})
	require.Contains(t, got, "characters cut")
	for _, word := range strings.Fields(got) {
		if strings.HasPrefix(word, "http") {
			require.Regexp(t, `^https://flyte\.example\.org/console/executions/\d{8}/$`, word)
		}
	}
}

// TestAnyMessageIsWithinTelegramsLimits lets the fake judge what is made of random messages.
func TestAnyMessageIsWithinTelegramsLimits(t *testing.T) {
	t.Parallel()
	api := &botAPI{}
	n := serve(t, api)
	text := rapid.Custom(func(t *rapid.T) string {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"&", "<", ">", "\"", "\n", "😀", "https://a.b/c ", "@a", "/a ", "'/a", "(/a", "#", "\u202e"}))
		return strings.Repeat(piece.Draw(t, "piece"), rapid.IntRange(0, 150).Draw(t, "times"))
	})
	rapid.Check(t, func(r *rapid.T) {
		m := notifier.Message{Title: text.Draw(r, "title"), Body: text.Draw(r, "body"), Error: text.Draw(r, "error"), Reason: text.Draw(r, "reason")}
		several := rapid.Bool().Draw(r, "several")
		for i := range rapid.IntRange(0, 22).Draw(r, "parts") {
			address := fmt.Sprintf("https://x.example.org/%d/%s", i, strings.Repeat("x", 900))
			m.Facts = append(m.Facts, notifier.Fact{Name: text.Draw(r, "name"), Value: text.Draw(r, "value"), URL: address})
			m.Links = append(m.Links, notifier.Link{Text: m.Facts[i].Name, URL: address})
			m.Notes = append(m.Notes, m.Facts[i].Value)
			if several {
				m.Items = append(m.Items, notifier.Item{Text: m.Facts[i].Value, URL: address})
			}
		}
		if _, err := n.Send(t.Context(), &telegram.Destination{ChatID: group}, m); err != nil {
			r.Fatal(err)
		}
	})
	for _, s := range api.messages {
		harmless(t, s.Text)
	}
}

// TestVerdictOfEachAnswer is the table of what Telegram's answers come to, and what the error says to do.
func TestVerdictOfEachAnswer(t *testing.T) {
	t.Parallel()
	said := func(description string) string { return fmt.Sprintf(`{"ok":false,"description":%q}`, description) }
	for _, c := range []struct {
		status int
		body   string
		want   notifier.Verdict
		after  time.Duration
		text   string
	}{
		{400, said("Bad Request: chat not found"), notifier.Permanent, 0, "HTTP status 400 Bad Request: Bad Request: chat not found (check chat_id: the bot must be a member"},
		{400, `{"ok":false,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1009}}`, notifier.Permanent, 0, `supergroup chat (the group has become a supergroup: give chat_id "-1009" instead)`},
		{400, said("Bad Request: message thread not found"), notifier.Permanent, 0, "(check thread_id"},
		{400, said("Bad Request: TOPIC_CLOSED"), notifier.Permanent, 0, "(open the topic again"},
		{400, said("Bad Request: not enough rights to send text messages to the chat"), notifier.Permanent, 0, "(let the bot post messages"},
		{400, said("Bad Request: need administrator rights in the channel chat"), notifier.Permanent, 0, "(make the bot an administrator"},
		{401, said("Unauthorized"), notifier.Permanent, 0, "(check the connection's token and api_url)"},
		{404, said("Not Found"), notifier.Permanent, 0, "(check the connection's token and api_url)"},
		{403, said("Forbidden: bot was blocked by the user"), notifier.Permanent, 0, "(the person has blocked the bot, and must unblock it)"},
		{403, said("Forbidden: bot was kicked from the supergroup chat"), notifier.Permanent, 0, "(add the bot to the chat again)"},
		{403, said("Forbidden: bot is not a member of the channel chat"), notifier.Permanent, 0, "(add the bot to the chat; in a channel"},
		{403, said("Forbidden: bot can't initiate conversation with a user"), notifier.Permanent, 0, "(the person must write to the bot first)"},
		{403, said("Forbidden: user is deactivated"), notifier.Permanent, 0, "account does not exist any more"},
		{403, said("Forbidden: the token is " + token), notifier.Permanent, 0, "the token is <secret>"},
		{429, `{"ok":false,"description":"Too Many Requests: retry after 17","parameters":{"retry_after":17}}`, notifier.Retry, 17 * time.Second, "Too Many Requests: retry after 17"},
		{429, `{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":99999999}}`, notifier.Retry, time.Hour, "Too Many Requests"},
		{429, `{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":-1}}`, notifier.Retry, 0, "Too Many Requests"},
		{302, "", notifier.Permanent, 0, "(check the connection's api_url)"},
		{500, said("Internal Server Error: restart"), notifier.Unknown, 0, "Internal Server Error: restart"},
		{502, "<html>", notifier.Unknown, 0, "HTTP status 502"},
		{503, "", notifier.Retry, 0, "HTTP status 503"},
		{200, said("odd"), notifier.Unknown, 0, "HTTP status 200 OK: odd"},
		{200, `{"ok":true}`, notifier.Unknown, 0, "HTTP status 200"},
		{201, `{"ok":true,"result":{"message_id":1}}`, notifier.Unknown, 0, "HTTP status 201"},
	} {
		n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, err := n.Send(t.Context(), &telegram.Destination{ChatID: group}, notifiertest.Message())
		verdict, after := notifier.VerdictOf(err)
		require.Equal(t, c.want, verdict, "%v", err)
		require.Equal(t, c.after, after, "%v", err)
		require.ErrorContains(t, err, "telegram: HTTP status ")
		require.ErrorContains(t, err, c.text)
	}
}

func TestUpdateEditsAMessageInItsPlace(t *testing.T) {
	t.Parallel()
	api := &botAPI{}
	n := serve(t, api)
	d := &telegram.Destination{ChatID: "@ml_alerts", ThreadID: 7, Update: true}
	require.Equal(t, notifier.Edits, d.Threading())
	require.Equal(t, notifier.Apart, (&telegram.Destination{ChatID: group}).Threading())
	m := notifiertest.Message()
	receipt, err := n.Send(t.Context(), d, m)
	require.NoError(t, err)
	m.Title = "train SUCCEEDED"
	for range 2 { // the second changes nothing, which Telegram refuses
		again, err := n.Update(t.Context(), d, d.Root(receipt), m)
		require.NoError(t, err)
		require.Equal(t, receipt, again)
	}
	require.Len(t, api.messages, 1)
	require.Contains(t, api.messages[0].Text, "train SUCCEEDED")
	require.Equal(t, group, api.messages[0].ChatID)

	for _, of := range []notifier.Receipt{nil, {"chat_id": group}, {"chat_id": group, "message_id": "99"}, {"message_id": "1"}} {
		_, err = n.Update(t.Context(), d, of, m)
		require.ErrorIs(t, err, notifier.ErrMessageGone, "%v", of)
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, notifier.Permanent, verdict)
	}
	_, err = n.Update(t.Context(), &telegram.Destination{ChatID: "-5"}, receipt, m)
	require.ErrorIs(t, err, notifier.ErrMessageGone, "another chat")

	broken := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	_, err = broken.Update(t.Context(), d, receipt, m)
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict, "an edit may be repeated")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	require.NoError(t, serve(t, &botAPI{}).Check(t.Context()))
	for status, want := range map[int]notifier.Verdict{401: notifier.Permanent, 200: notifier.Retry, 502: notifier.Retry} {
		n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		verdict, _ := notifier.VerdictOf(n.Check(t.Context()))
		require.Equal(t, want, verdict)
	}
}

func TestDestinationsAreChecked(t *testing.T) {
	t.Parallel()
	const text = `must be a channel's name, such as @ml_alerts, or a chat's id, such as "-1001234567890"`
	for id, want := range map[string]string{
		"@ml_alerts": "", "-1001234567890": "", "42": "", "{{.Labels.chat}}": "",
		"": "required", "ml_alerts": text, "@a": text, "@1abc": text, "0": text, "-": text, "1.5": text, "@ml alerts": text, "@ml_alerts\n": text, "99999999999999999999": text,
	} {
		d := &telegram.Destination{ChatID: id}
		problems := d.Validate()
		if want == "" {
			require.Empty(t, problems, id)
			continue
		}
		require.Equal(t, []notifier.Problem{{Path: "chat_id", Text: want}}, problems, id)
		_, err := serve(t, &botAPI{}).Send(t.Context(), d, notifiertest.Message())
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, notifier.Permanent, verdict)
	}
	require.Equal(t, []notifier.Problem{{Path: "thread_id", Text: "must be at least 1"}}, (&telegram.Destination{ChatID: "42", ThreadID: -1}).Validate())
	d := &telegram.Destination{ChatID: "@ML_Alerts"}
	require.Equal(t, "@ml_alerts", d.Address())
	require.Equal(t, []string{"@ml_alerts"}, d.Addresses())
	topic := &telegram.Destination{ChatID: "@ML_Alerts", ThreadID: 42}
	require.Equal(t, "@ml_alerts/42", topic.Address(), "each topic has a message of its own to edit")
	require.Equal(t, []string{"@ml_alerts"}, topic.Addresses())
	require.Same(t, d, d.WithRoot(nil))
}

func TestTheTokenIsASecretReadAgainAtEachSend(t *testing.T) {
	t.Parallel()
	_, err := telegram.New(telegram.Config{Token: notifier.Secret{Env: "NO_SUCH_VARIABLE"}}, nil)
	require.EqualError(t, err, "open telegram: token: secret env:NO_SUCH_VARIABLE is empty or not set")
	for _, bad := range []string{"no-token", "1:a/../../x", "1:a?b"} {
		ref := secret(t, bad)
		_, err = telegram.New(telegram.Config{Token: ref}, nil)
		require.EqualError(t, err, "open telegram: token: secret file:"+ref.File+" must hold a bot's token, such as 123456:ABC-def")
	}
	ref := secret(t, token)
	n, err := telegram.New(telegram.Config{Token: ref}, nil)
	require.NoError(t, err)
	require.NoError(t, os.Remove(ref.File))
	_, err = n.Send(t.Context(), &telegram.Destination{ChatID: group}, notifiertest.Message())
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)
}

// What a preview shows is what a send posts.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	failed, succeeded := notifiertest.Message(), notifiertest.Message()
	failed.Error = "Traceback (most recent call last):\n  File \"/root/train.py\", line 41\nValueError: expected <float32> & got \"object\""
	failed.Facts = append(failed.Facts, notifier.Fact{Name: "Started by", Value: "@ada, ada@example.org"})
	succeeded.Status, succeeded.Title, succeeded.Error, succeeded.Reason = notifier.Success, "train SUCCEEDED", "", "phase:SUCCEEDED"
	for name, m := range map[string]notifier.Message{"failed": failed, "succeeded": succeeded} {
		api := &botAPI{}
		d := &telegram.Destination{ChatID: group, ThreadID: 42}
		_, err := serve(t, api).Send(t.Context(), d, m)
		require.NoError(t, err)
		preview, err := d.Preview(m)
		require.NoError(t, err)
		var s sent
		require.NoError(t, json.Unmarshal(preview.Payload, &s))
		require.Equal(t, api.messages[0], s)
		golden(t, name+".html", s.Text+"\n")
		golden(t, name+".json", string(preview.Payload)+"\n")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestAMessageOfSeveralExecutionsEditsNone(t *testing.T) {
	t.Parallel()
	d := &telegram.Destination{ChatID: "@ml", ThreadID: 7, Silent: true, Update: true}
	require.Equal(t, &telegram.Destination{ChatID: "@ml", ThreadID: 7, Silent: true}, notifier.Gathered(d))
	require.True(t, d.Update)
}
