package slack_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

const (
	hookToken = "AbCdEfGhIjKlMnOpQrStUvWx"
	hookPath  = "/services/T0123/B0123/" + hookToken
)

// hook is an incoming webhook of #general: what it gets is posted to a simulated Slack, which refuses what is over
// Slack's limits.
type hook struct{ sim *slacksim.Sim }

func (h hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != hookPath {
		http.Error(w, "no_service", http.StatusNotFound)
		return
	}
	var m map[string]any
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m["metadata"] != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	m["channel"] = "#general"
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	inner := httptest.NewRequestWithContext(r.Context(), http.MethodPost, "/api/chat.postMessage", bytes.NewReader(raw))
	inner.Header = http.Header{"Authorization": {"Bearer " + slacksim.DefaultToken}, "Content-Type": {"application/json"}}
	answered := httptest.NewRecorder()
	h.sim.ServeHTTP(answered, inner)
	var answer struct {
		OK    bool
		Error string
	}
	switch err := json.Unmarshal(answered.Body.Bytes(), &answer); {
	case err != nil || !answer.OK:
		http.Error(w, answer.Error, http.StatusBadRequest)
	default:
		_, _ = io.WriteString(w, "ok") // the client went away: nobody to tell
	}
}

func openHook(t testing.TB, url string, client *http.Client) *slack.Webhook {
	t.Helper()
	n, err := slack.NewWebhook(slack.WebhookConfig{URL: token(t, url+hookPath)}, client)
	require.NoError(t, err)
	return n
}

// serveHook returns a notifier whose service is h.
func serveHook(t testing.TB, h http.Handler) *slack.Webhook {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return openHook(t, server.URL, server.Client())
}

func TestWebhookConformance(t *testing.T) {
	t.Parallel()
	sim := slacksim.New(slacksim.Options{})
	t.Cleanup(sim.Close)
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			return openHook(t, url, client)
		},
		Destination: &slack.WebhookDestination{},
		Accept:      hook{sim},
		Secrets:     []string{hookToken},
		MaxRequest:  100 << 10,
		Verdicts:    map[int]notifier.Verdict{http.StatusServiceUnavailable: notifier.Retry},
		Inspect: func(t testing.TB, _ *http.Request, body []byte) {
			t.Helper()
			var m struct {
				Text   string
				Blocks json.RawMessage
			}
			assert.NoError(t, json.Unmarshal(body, &m))
			for _, s := range append(mrkdwnTexts(t.(*testing.T), slacksim.Message{Blocks: m.Blocks}), m.Text) {
				assert.NotRegexp(t, commands, s)
			}
		},
	})
}

// What comes through a webhook looks as what a bot posts, and nothing is unfurled.
func TestAWebhooksMessageIsThatOfTheBot(t *testing.T) {
	t.Parallel()
	sim := slacksim.New(slacksim.Options{})
	t.Cleanup(sim.Close)
	m := execution(notifier.Failure, "FAILED", "boom & <bust>")
	receipt, err := serveHook(t, hook{sim}).Send(t.Context(), &slack.WebhookDestination{}, m)
	require.NoError(t, err)
	require.Nil(t, receipt)
	got, want := sim.Messages("general")[0], posted(t, m)
	require.Equal(t, want.Text, got.Text)
	require.JSONEq(t, string(want.Blocks), string(got.Blocks))
	require.Equal(t, []string{"false", "false"}, []string{got.Args["unfurl_links"], got.Args["unfurl_media"]})

	shown, err := (&slack.WebhookDestination{}).Preview(m)
	require.NoError(t, err)
	var pretty bytes.Buffer
	require.NoError(t, json.Indent(&pretty, shown.Payload, "", "  "))
	golden(t, "webhook.json", pretty.String()+"\n")
}

// TestVerdictOfEachWebhookAnswer is the table of what Slack's webhooks answer, and what the error says to do.
func TestVerdictOfEachWebhookAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   notifier.Verdict
		text   string
	}{
		{400, "invalid_payload", notifier.Permanent, "slack_webhook: HTTP status 400 Bad Request: invalid_payload (Slack does not take the message's form)"},
		{400, "no_text", notifier.Permanent, "no_text (Slack does not take"},
		{400, "invalid_blocks", notifier.Permanent, "invalid_blocks (Slack does not take"},
		{400, "too_many_attachments", notifier.Permanent, "too_many_attachments (Slack does not take"},
		{400, "user_not_found", notifier.Permanent, "user_not_found (the person"},
		{400, "team_disabled", notifier.Permanent, "team_disabled (the workspace does not exist or is disabled)"},
		{403, "invalid_token", notifier.Permanent, "invalid_token (the webhook was removed or is not valid"},
		{403, "action_prohibited", notifier.Permanent, "action_prohibited (the workspace's admins"},
		{403, "posting_to_general_channel_denied", notifier.Permanent, "(the workspace does not let everybody post to #general"},
		{403, "", notifier.Permanent, "HTTP status 403 Forbidden (make a new webhook"},
		{404, "no_service\n", notifier.Permanent, "HTTP status 404 Not Found: no_service (the webhook was removed"},
		{404, "no_team", notifier.Permanent, "no_team (the workspace"},
		{404, "channel_not_found", notifier.Permanent, "channel_not_found (the channel was deleted"},
		{404, "<html>" + hookToken, notifier.Permanent, "HTTP status 404 Not Found (make a new webhook"},
		{410, "channel_is_archived", notifier.Permanent, "channel_is_archived (unarchive the channel"},
		{400, "some_new_code", notifier.Permanent, "Bad Request: some_new_code"},
		{302, "", notifier.Permanent, "(check the connection's url)"},
		{429, "rate_limited", notifier.Retry, "HTTP status 429 Too Many Requests: rate_limited"},
		{429, "", notifier.Retry, "HTTP status 429"},
		{500, "rollup_error", notifier.Unknown, "rollup_error (Slack's own fault)"},
		{500, "", notifier.Unknown, "HTTP status 500"},
		{503, "", notifier.Retry, "HTTP status 503"},
		{200, "<html>welcome</html>", notifier.Unknown, "HTTP status 200 OK"},
		{200, "no_service", notifier.Permanent, "no_service (the webhook was removed"},
		{200, "", notifier.Unknown, "HTTP status 200 OK"},
		{202, "ok", notifier.Unknown, "HTTP status 202"},
	} {
		n := serveHook(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, err := n.Send(t.Context(), &slack.WebhookDestination{}, notifiertest.Message())
		mustBe(t, err, c.want, "slack_webhook: HTTP status ", c.text)
		require.NotContains(t, err.Error(), hookToken)
	}
}

func TestAWebhooksURLIsASecretReadAgainAtEachSend(t *testing.T) {
	t.Parallel()
	_, err := slack.NewWebhook(slack.WebhookConfig{URL: notifier.Secret{Env: "NO_SUCH_VARIABLE"}}, nil)
	require.EqualError(t, err, "open slack_webhook: url: secret env:NO_SUCH_VARIABLE is empty or not set")
	sim := slacksim.New(slacksim.Options{})
	t.Cleanup(sim.Close)
	server := httptest.NewServer(hook{sim})
	t.Cleanup(server.Close)
	ref := token(t, server.URL+"/services/T/B/"+strings.Repeat("x", 24))
	n, err := slack.NewWebhook(slack.WebhookConfig{URL: ref}, server.Client())
	require.NoError(t, err)
	_, err = n.Send(t.Context(), &slack.WebhookDestination{}, notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "no_service")
	require.NoError(t, os.WriteFile(filepath.Clean(ref.File), []byte(server.URL+hookPath), 0o600))
	_, err = n.Send(t.Context(), &slack.WebhookDestination{}, notifiertest.Message())
	require.NoError(t, err)
	require.NoError(t, os.Remove(ref.File))
	_, err = n.Send(t.Context(), &slack.WebhookDestination{}, notifiertest.Message())
	mustBe(t, err, notifier.Retry, "slack_webhook: url: read secret")
}

func TestAWebhookHasOneDestination(t *testing.T) {
	t.Parallel()
	d := slack.WebhookManifest().Destination()
	require.Equal(t, []string{"slack_webhook"}, notifier.Addresses(d))
}
