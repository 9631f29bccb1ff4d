package teams_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/teams"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestConformance(t *testing.T) {
	t.Parallel()
	verdicts := map[int]notifier.Verdict{http.StatusServiceUnavailable: notifier.Retry}
	for status := 200; status < 300; status++ {
		verdicts[status] = notifier.Delivered // a workflow's Response action may say any
	}
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			return open(t, url, client)
		},
		Destination: &teams.Destination{},
		Accept:      &workflow{},
		Secrets:     []string{signature, "0123456789abcdef0123456789abcdef"},
		MaxRequest:  28 << 10,
		Verdicts:    verdicts,
		Body:        "anything", // but a page
		Inspect: func(t testing.TB, _ *http.Request, body []byte) {
			t.Helper()
			cardOf(t, body).walk(func(n node) {
				assert.Contains(t, []string{"AdaptiveCard", "Container", "RichTextBlock", "TextRun", "FactSet", "Action.OpenUrl", ""}, n.Type)
				assert.Equal(t, notifier.Printable(n.Text), n.Text)
				assert.NotContains(t, n.Text, "\n")
				if n.Type == "" { // a fact
					plain(t, n.Title)
					plain(t, n.Value)
				}
				assert.Regexp(t, `^(https?://[!-~]+)?$`, n.URL)
			})
		},
	})
}

// show sends m and returns the card as text.
func show(t testing.TB, m notifier.Message) string {
	t.Helper()
	f := &workflow{}
	receipt, err := serve(t, f).Send(t.Context(), &teams.Destination{}, m)
	require.NoError(t, err)
	require.Nil(t, receipt)
	return render(t, cardOf(t, f.cards[0]))
}

func TestACardSaysAll(t *testing.T) {
	t.Parallel()
	m := notifiertest.Message()
	m.Body, m.Notes = "See https://grafana.example.org/d?a=b&c=(d).\n\n  * indented", []string{"a note"}
	m.Error = "Traceback:\n\tFile \"a.py\"\n<at>everyone</at> [x](https://evil.example.org)"
	m.Facts = append(m.Facts, notifier.Fact{Name: "Work_flow", Value: "- [a](https://evil.example.org) <at>all</at> **b**"}, notifier.Fact{Value: "1. first"}, notifier.Fact{Name: "Empty"}, notifier.Fact{})
	require.Equal(t, strings.Join([]string{
		"❌ train FAILED",
		"See https://grafana.example.org/d?a=b&c=(d).", " ", "  * indented",
		"Execution: f1 (https://flyte.example.org/console/f1)",
		"Work_flow: - [a](https://evil.example.org) <at>all</at> **b**", "–: 1. first", "Empty: –",
		"| Traceback:", "|     File \"a.py\"", "| <at>everyone</at> [x](https://evil.example.org)",
		"a note", "phase:FAILED · 2026-11-22 03:00:00 UTC",
		"[Open in the console] https://flyte.example.org/console/f1",
	}, "\n"), show(t, m))
	require.Equal(t, "ℹ️ Flyte notification", show(t, notifier.Message{}))
}

func TestOnlyAddressesOfTheWebAreLinks(t *testing.T) {
	t.Parallel()
	got := show(t, notifier.Message{
		Title: "x",
		Facts: []notifier.Fact{{Name: "a", Value: "v", URL: "javascript:alert(1)"}, {Name: "b", Value: "v", URL: "https://x/a)b [c]"}},
		Links: []notifier.Link{{Text: "file", URL: "file:///etc/passwd"}, {URL: "https://bare.example.org"}},
	})
	require.Equal(t, "ℹ️ x\na: v\nb: v (https://x/a%29b%20%5Bc%5D)\n[https://bare.example.org] https://bare.example.org", got)
}

func TestLongTextsAreCutSayingSo(t *testing.T) {
	t.Parallel()
	m := notifiertest.Message()
	m.Title, m.Error = strings.Repeat("t", 500), "first\n"+strings.Repeat("é", 1<<17)+"\nlast"
	m.Body = strings.Repeat("line\n", 500)
	for range 60 {
		m.Facts = append(m.Facts, notifier.Fact{Name: "Name", Value: strings.Repeat("v", 1000)})
		m.Links = append(m.Links, notifier.Link{Text: "Log", URL: "https://log.example.org/" + strings.Repeat("x", 900)})
		m.Notes = append(m.Notes, "note")
	}
	got := show(t, m)
	require.Regexp(t, `^❌ t{140,148}…\n`, got)
	require.Regexp(t, `\| first\n\| é+\n\| … \(\d+ characters cut\) …\n\| é+\n\| last\n`, got)
	require.Regexp(t, `line\n… \(\d+ lines cut\) …\nline\n`, got)
	require.Regexp(t, `Name: v{50,}…\n`, got)
	require.Contains(t, got, "…: 41 facts cut")
	require.Equal(t, 8, strings.Count(got, "note\n"))
	require.Equal(t, 6, strings.Count(got, "] https://"))
	require.Contains(t, got, "[Open in the console] https://flyte.example.org/console/f1")
}

// TestAnyCardIsWithinTeamsLimit makes cards of random messages, which are large in every part.
func TestAnyCardIsWithinTeamsLimit(t *testing.T) {
	t.Parallel()
	f := &workflow{}
	n := serve(t, f)
	text := rapid.Custom(func(t *rapid.T) string {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"&", "\\", "\n", "😀", "https://a.b/c ", "*", "|", "\u202e", "- "}))
		return strings.Repeat(piece.Draw(t, "piece"), rapid.IntRange(0, 600).Draw(t, "times"))
	})
	rapid.Check(t, func(r *rapid.T) {
		m := notifier.Message{Title: text.Draw(r, "title"), Body: text.Draw(r, "body"), Error: text.Draw(r, "error"), Reason: text.Draw(r, "reason")}
		for i := range rapid.IntRange(0, 22).Draw(r, "parts") {
			address := fmt.Sprintf("https://x.example.org/%d/%s", i, strings.Repeat("x", 900))
			m.Facts = append(m.Facts, notifier.Fact{Name: text.Draw(r, "name"), Value: text.Draw(r, "value"), URL: address})
			m.Links = append(m.Links, notifier.Link{Text: m.Facts[i].Name, URL: address})
			m.Notes = append(m.Notes, m.Facts[i].Value)
		}
		if _, err := n.Send(t.Context(), &teams.Destination{}, m); err != nil {
			r.Fatal(err)
		}
	})
	for _, body := range f.cards {
		require.LessOrEqual(t, len(body), 24_000)
		render(t, cardOf(t, body))
	}
}

// TestVerdictOfEachAnswer is the table of what a workflow's answers come to, and what the error says to do.
func TestVerdictOfEachAnswer(t *testing.T) {
	t.Parallel()
	said := func(code, message string) string {
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, message)
	}
	for _, c := range []struct {
		status int
		body   string
		want   notifier.Verdict
		text   string
	}{
		{202, "", notifier.Delivered, ""},
		{200, "1", notifier.Delivered, ""},
		{201, `{"made": "<html>"}`, notifier.Delivered, ""},
		{204, "", notifier.Delivered, ""},
		{200, "\n<!DOCTYPE html><title>Sign in</title>", notifier.Unknown, "HTTP status 200 OK (a page answered, and no workflow"},
		{201, "<html>", notifier.Unknown, "HTTP status 201 Created (a page answered"},
		{200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x", notifier.Permanent, "Microsoft Teams endpoint returned HTTP error 413"},
		{200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x", notifier.Retry, "HTTP error 429"},
		{200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 500 with ContextId x", notifier.Unknown, "HTTP error 500"},
		{400, said("WorkflowTriggerIsNotEnabled", "Could not execute workflow 'x' trigger 'manual' with state 'Disabled'."), notifier.Permanent, "with state 'Disabled'. (turn the workflow on in Power Automate)"},
		{400, said("TriggerInputSchemaMismatch", "The input body for trigger 'manual' did not match its schema definition."), notifier.Permanent, `TriggerInputSchemaMismatch: The input body for trigger 'manual' did not match its schema definition. (the workflow must begin with "When a Teams webhook request is received")`},
		{401, said("DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme."), notifier.Permanent, "(copy the webhook URL anew"},
		{401, said("AuthorizationFailed", "the signature "+signature+" is wrong"), notifier.Permanent, "the signature <secret> is wrong (copy the webhook URL anew"},
		{403, "", notifier.Permanent, "HTTP status 403 Forbidden (let anyone trigger the workflow"},
		{404, said("WorkflowNotFound", "The workflow could not be found."), notifier.Permanent, "(the workflow does not exist any more"},
		{405, "<html>", notifier.Permanent, "HTTP status 405 Method Not Allowed (check the connection's url)"},
		{413, "", notifier.Permanent, "(the card is over Teams' 28 KB)"},
		{429, said("WorkflowTriggerThrottled", "Rate limit is exceeded."), notifier.Retry, "WorkflowTriggerThrottled: Rate limit is exceeded."},
		{500, "", notifier.Unknown, "HTTP status 500"},
		{502, said("NoResponse", "The server did not receive a response from an upstream server."), notifier.Unknown, "NoResponse"},
		{503, "", notifier.Retry, "HTTP status 503"},
		{504, "", notifier.Unknown, "HTTP status 504"},
	} {
		n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, err := n.Send(t.Context(), &teams.Destination{}, notifiertest.Message())
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, c.want, verdict, "%v", err)
		if c.want == notifier.Delivered {
			continue
		}
		require.ErrorContains(t, err, "teams: HTTP status ")
		require.ErrorContains(t, err, c.text)
		require.NotContains(t, err.Error(), signature)
	}
}

func TestTheURLIsASecretReadAgainAtEachSend(t *testing.T) {
	t.Parallel()
	_, err := teams.New(teams.Config{URL: notifier.Secret{Env: "NO_SUCH_VARIABLE"}}, nil)
	require.EqualError(t, err, "open teams: url: secret env:NO_SUCH_VARIABLE is empty or not set")
	bad := secret(t, "not-a-url/"+signature)
	_, err = teams.New(teams.Config{URL: bad}, nil)
	require.EqualError(t, err, "open teams: url: secret file:"+bad.File+" must hold an http or https URL")

	url := secret(t, "http://127.0.0.1:9"+path+query)
	n, err := teams.New(teams.Config{URL: url}, nil)
	require.NoError(t, err)
	require.NoError(t, os.Remove(url.File))
	_, err = n.Send(t.Context(), &teams.Destination{}, notifiertest.Message())
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)
	require.ErrorContains(t, err, "teams: url: read secret")
}

func TestThereIsOneDestination(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"teams"}, notifier.Addresses(teams.Manifest().Destination()))
}

// What a preview shows is what a send posts.
func TestGoldenCards(t *testing.T) {
	t.Parallel()
	failed, succeeded := notifiertest.Message(), notifiertest.Message()
	failed.Error = "Traceback (most recent call last):\n  File \"/root/train.py\", line 41\nValueError: expected <float32> & got \"object\""
	failed.Facts = append(failed.Facts, notifier.Fact{Name: "Workflow", Value: "ml.train_churn (v7)"})
	succeeded.Status, succeeded.Title, succeeded.Error, succeeded.Reason = notifier.Success, "train SUCCEEDED", "", "phase:SUCCEEDED"
	for name, m := range map[string]notifier.Message{"failed": failed, "succeeded": succeeded} {
		f := &workflow{}
		_, err := serve(t, f).Send(t.Context(), &teams.Destination{}, m)
		require.NoError(t, err)
		shown, err := (&teams.Destination{}).Preview(m)
		require.NoError(t, err)
		require.Equal(t, string(f.cards[0]), string(shown.Payload))
		var pretty bytes.Buffer
		require.NoError(t, json.Indent(&pretty, shown.Payload, "", "  "))
		golden(t, name+".json", pretty.String()+"\n")
		golden(t, name+".txt", render(t, cardOf(t, f.cards[0]))+"\n")
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
