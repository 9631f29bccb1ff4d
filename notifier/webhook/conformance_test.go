package webhook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

// verdicts are those of every 2xx, which is any receiver's yes but no chat's, and 503, which is unknown where a copy is
// not told.
func verdicts(format string) map[int]notifier.Verdict {
	if format != "json" && format != "cloudevents" {
		return map[int]notifier.Verdict{http.StatusServiceUnavailable: notifier.Unknown}
	}
	all := map[int]notifier.Verdict{http.StatusServiceUnavailable: notifier.Retry}
	for status := 200; status < 300; status++ {
		all[status] = notifier.Delivered
	}
	return all
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for format, inspect := range map[string]func(t testing.TB, body []byte){
		"json": inspectJSON, "cloudevents": inspectCloudEvent, "mattermost": inspectMattermost,
		"discord": inspectDiscord, "google-chat": inspectGoogleChat, "ntfy": inspectNtfy,
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			notifiertest.Run(t, notifiertest.Suite{
				New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
					t.Helper()
					return open(t, webhook.Config{
						URL: secret(t, url+"/hooks/"+urlToken+"?token="+queryToken), Format: format, SigningSecret: secret(t, signing),
						Headers: map[string]webhook.Header{"Authorization": {Secret: secret(t, "Bearer "+headerToken)}}, AllowPrivate: true,
					}, client)
				},
				Destination: &webhook.Destination{},
				Accept:      http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answerOf(format)) }),
				Secrets:     []string{urlToken, queryToken, headerToken, signing, strings.TrimPrefix(signing, "whsec_")},
				Verdicts:    verdicts(format),
				Inspect: func(t testing.TB, _ *http.Request, body []byte) {
					t.Helper()
					inspect(t, body)
				},
			})
		})
	}
}

func read(t testing.TB, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Errorf("not JSON: %v", err)
	}
}

func inspectJSON(t testing.TB, body []byte) {
	t.Helper()
	var p webhook.Payload
	read(t, body, &p)
	if p.Facts == nil || p.Links == nil || p.Notes == nil || p.Vars == nil {
		t.Error("a list or the variables are null")
	}
	if text := string(p.Status) + p.Title + p.Body + p.Error + p.Reason; text != notifier.Printable(text) {
		t.Error("not printable")
	}
}

func inspectCloudEvent(t testing.TB, body []byte) {
	t.Helper()
	var e struct {
		SpecVersion, ID, Source, Type string
		Data                          json.RawMessage
	}
	read(t, body, &e)
	if e.SpecVersion != "1.0" || e.Source != "flyte-notifier" || !strings.HasPrefix(e.Type, "org.flyte.notification") {
		t.Errorf("%+v is no event", e)
	}
	inspectJSON(t, e.Data)
}

// quiet fails the test where a text holds what a service could take for a mention.
func quiet(t testing.TB, body []byte, marks ...string) {
	t.Helper()
	for _, mark := range marks {
		if strings.Contains(string(body), mark) {
			t.Errorf("%q in %.300s", mark, body)
		}
	}
}

// verbatim is where Markdown reads no character references, or finds nobody by them: between fences, and a link's address.
var verbatim = regexp.MustCompile("(?s)```.*?```|\\]\\([^ )]*\\)")

func inspectMattermost(t testing.TB, body []byte) {
	t.Helper()
	var m struct {
		Attachments []struct {
			Fallback, Text, Footer string
			Fields                 []struct{ Title, Value string }
		}
	}
	read(t, body, &m)
	quiet(t, body, "@channel", "@here", "@everyone", "<!channel", "<!here", "<@U", "[the console](")
	shown := []string{m.Attachments[0].Text}
	for _, f := range m.Attachments[0].Fields {
		shown = append(shown, f.Value)
	}
	for _, text := range shown {
		quiet(t, verbatim.ReplaceAll([]byte(text), nil), "&#64;", "&commat;", "&#x40;", "&lt;!")
	}
	all := len([]rune(m.Attachments[0].Text + m.Attachments[0].Fallback))
	for _, f := range m.Attachments[0].Fields {
		if len([]rune(f.Value)) > 500 {
			t.Error("a field too long")
		}
	}
	if all > 16_383 || m.Attachments[0].Text == "" {
		t.Errorf("%d characters", all)
	}
}

func inspectDiscord(t testing.TB, body []byte) {
	t.Helper()
	var m struct {
		Embeds []struct {
			Title, Description string
			Fields             []struct{ Name, Value string }
			Footer             struct{ Text string }
		}
		AllowedMentions struct{ Parse *[]string } `json:"allowed_mentions"`
	}
	read(t, body, &m)
	if m.AllowedMentions.Parse == nil || len(*m.AllowedMentions.Parse) > 0 {
		t.Error("mentions are allowed")
	}
	quiet(t, body, "@everyone", "@here", "<@U", "<#C")
	length := func(s string, least, most int) int {
		n := len(utf16.Encode([]rune(s)))
		if n < least || n > most {
			t.Errorf("a text of %d characters, want %d to %d", n, least, most)
		}
		return n
	}
	e := m.Embeds[0]
	all := length(e.Title, 1, 256) + length(e.Description, 0, 4096) + length(e.Footer.Text, 0, 2048)
	for _, f := range e.Fields {
		all += length(f.Name, 1, 256) + length(f.Value, 1, 1024)
	}
	if len(e.Fields) > 25 || all > 6000 {
		t.Errorf("%d characters in %d fields", all, len(e.Fields))
	}
}

func inspectGoogleChat(t testing.TB, body []byte) {
	t.Helper()
	var m map[string]any
	read(t, body, &m)
	if len(body) > 32_000 {
		t.Errorf("%d bytes", len(body))
	}
	quiet(t, body, "<users/", "<script", "<img", "</pre", "<!channel")
	if m["cardsV2"] == nil || m["text"] != nil {
		t.Error("no card, or a text")
	}
}

func inspectNtfy(t testing.TB, body []byte) {
	t.Helper()
	var m struct {
		Topic, Title, Message string
		Priority              int
	}
	read(t, body, &m)
	if m.Topic != urlToken || m.Title == "" || m.Priority < 1 || m.Priority > 5 || len(m.Message) > 4096 || len(body) > 8192 {
		t.Errorf("topic %q, title %q, priority %d, %d bytes of message, %d in all", m.Topic, m.Title, m.Priority, len(m.Message), len(body))
	}
}
