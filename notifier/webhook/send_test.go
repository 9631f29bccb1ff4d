package webhook_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
)

// net/http repeats a POST that has an Idempotency-Key by itself, which a chat would show twice.
func TestAChatIsSentNoIdempotencyKey(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"mattermost", "discord", "google-chat", "ntfy"} {
		r := receiveAs(t, format)
		n := open(t, webhook.Config{URL: secret(t, r.URL+"/topic"), Format: format, AllowPrivate: true}, r.Client())
		_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
		require.NoError(t, err)
		require.Len(t, r.all(), 1, format)
		require.Empty(t, r.all()[0].header.Get("Idempotency-Key"), format)
		require.NotEmpty(t, r.all()[0].header.Get("webhook-id"), format)
	}
}

func TestEveryAttemptHasTheSameIDAndASignature(t *testing.T) {
	t.Parallel()
	const other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	r := receive(t)
	n := open(t, webhook.Config{URL: secret(t, r.URL), SigningSecret: secret(t, signing+" "+other), AllowPrivate: true}, r.Client())
	for range 2 {
		_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
		require.NoError(t, err)
	}
	require.Len(t, r.all(), 2)
	for _, got := range r.all() {
		require.Equal(t, "d-0001", got.header.Get("webhook-id"))
		require.Equal(t, "d-0001", got.header.Get("Idempotency-Key"))
		require.Equal(t, "flyte-notifier", got.header.Get("User-Agent"))
		for _, key := range []string{signing, other} {
			receiver, err := standardwebhooks.NewWebhook(key)
			require.NoError(t, err)
			require.NoError(t, receiver.Verify(got.body, got.header))
			require.Error(t, receiver.Verify(append(got.body, ' '), got.header))
		}
		stranger, err := standardwebhooks.NewWebhook("whsec_" + strings.Repeat("A", 32))
		require.NoError(t, err)
		require.ErrorIs(t, stranger.Verify(got.body, got.header), standardwebhooks.ErrNoMatchingSignature)
	}
}

func TestASecretThatIsNoBase64SignsAsItIs(t *testing.T) {
	t.Parallel()
	r := receive(t)
	n := open(t, webhook.Config{URL: secret(t, r.URL), SigningSecret: secret(t, "s3cret!"), AllowPrivate: true}, r.Client())
	_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
	require.NoError(t, err)
	receiver, err := standardwebhooks.NewWebhookRaw([]byte("s3cret!"))
	require.NoError(t, err)
	require.NoError(t, receiver.Verify(r.only(t).body, r.only(t).header))
}

func TestHeadersAndMethodAreTheConnections(t *testing.T) {
	t.Parallel()
	r := receive(t)
	token := secret(t, "Bearer one")
	n := open(t, webhook.Config{URL: secret(t, r.URL+"/a?b=c"), Method: "PATCH", AllowPrivate: true, Headers: map[string]webhook.Header{
		"authorization": {Secret: token}, "X-Plain": {Plain: "a b"},
	}}, r.Client())
	_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
	require.NoError(t, err)
	got := r.only(t)
	require.Equal(t, "PATCH /a?b=c", got.method+" "+got.path+"?"+got.query)
	require.Equal(t, "Bearer one", got.header.Get("Authorization"))
	require.Equal(t, "a b", got.header.Get("X-Plain"))
	require.Empty(t, got.header.Get("webhook-signature"))

	require.NoError(t, os.WriteFile(token.File, []byte("Bearer two"), 0o600))
	_, err = n.Send(t.Context(), &webhook.Destination{}, failed())
	require.NoError(t, err)
	require.Equal(t, "Bearer two", r.all()[1].header.Get("Authorization"), "read anew")

	require.NoError(t, os.Remove(token.File))
	_, err = n.Send(t.Context(), &webhook.Destination{}, failed())
	require.ErrorContains(t, err, "webhook: headers.authorization: read secret")
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)
}

func TestADestinationThatDoesNotFitIsNotSent(t *testing.T) {
	t.Parallel()
	r := receive(t)
	n := open(t, webhook.Config{URL: secret(t, r.URL), AllowPrivate: true}, r.Client())
	_, err := n.Send(t.Context(), &webhook.Destination{URL: r.URL}, failed())
	require.EqualError(t, err, "webhook: url: must not be given: the connection has one")
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Permanent, verdict)
	require.Empty(t, r.all())
}

func TestAnswersOfTheServices(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		format  string
		status  int
		body    string
		header  map[string]string
		verdict notifier.Verdict
		wait    time.Duration
		want    string
	}{
		"Discord is busy":         {"discord", 429, `{"message": "You are being rate limited.", "retry_after": 64.5, "global": false}`, map[string]string{"Retry-After": "64"}, notifier.Retry, 64500 * time.Millisecond, "HTTP status 429 Too Many Requests: You are being rate limited."},
		"Discord's absurd wish":   {"discord", 429, `{"retry_after": 1e300}`, nil, notifier.Retry, time.Hour, "429"},
		"Discord's negative wish": {"discord", 429, `{"retry_after": -5}`, nil, notifier.Retry, 0, "429"},
		"Discord, oddly":          {"discord", 429, `{"message": "later", "retry_after": "5"}`, nil, notifier.Retry, 0, "429 Too Many Requests: later"},
		"another's wish":          {"json", 503, `{"message": "later", "retry_after": 1500}`, nil, notifier.Retry, 0, "503 Service Unavailable: later"},
		"Cloudflare's page":       {"discord", 429, `<html>banned</html>`, map[string]string{"Retry-After": "7"}, notifier.Retry, 7 * time.Second, "429"},
		"deleted on Discord":      {"discord", 404, `{"message": "Unknown Webhook", "code": 10015}`, nil, notifier.Permanent, 0, "Unknown Webhook (the webhook was deleted or its URL is incomplete: copy it anew in Discord under Edit Channel > Integrations > Webhooks)"},
		"Discord's bad token":     {"discord", 401, `{"message": "Invalid Webhook Token", "code": 50027}`, nil, notifier.Permanent, 0, "(the webhook was deleted or its URL is incomplete"},
		"Discord's forum":         {"discord", 400, `{"message": "Webhooks posted to forum channels must have a thread_name or thread_id", "code": 220001}`, nil, notifier.Permanent, 0, "add ?thread_id= of a post"},
		"Discord's other no":      {"discord", 400, `{"message": "Invalid Form Body", "code": 50035}`, nil, notifier.Permanent, 0, "Invalid Form Body (check the connection's format)"},
		"deleted in Mattermost":   {"mattermost", 404, `{"id": "web.incoming_webhook.invalid.app_error", "message": "Invalid webhook.", "status_code": 404}`, nil, notifier.Permanent, 0, "Invalid webhook. (the webhook was deleted, or its URL is incomplete: copy it anew)"},
		"Mattermost forbids":      {"mattermost", 403, `{"message": "no"}`, nil, notifier.Permanent, 0, "no (let the webhook post there"},
		"gone from Google Chat":   {"google-chat", 404, `{"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}}`, nil, notifier.Permanent, 0, "Requested entity was not found. (the webhook or its space was deleted"},
		"Google Chat is busy":     {"google-chat", 429, `{"error": {"code": 429, "message": "Resource has been exhausted", "status": "RESOURCE_EXHAUSTED"}}`, nil, notifier.Retry, 0, "Resource has been exhausted"},
		"Google Chat's bad key":   {"google-chat", 401, `{"error": {"message": "x"}}`, nil, notifier.Permanent, 0, "check key and token in the URL"},
		"ntfy is busy":            {"ntfy", 429, `{"code": 42901, "http": 429, "error": "limit reached: too many requests"}`, nil, notifier.Retry, 0, "limit reached: too many requests"},
		"ntfy forbids":            {"ntfy", 403, `{"code": 40301, "http": 403, "error": "forbidden"}`, nil, notifier.Permanent, 0, "forbidden (give an access token"},
		"anybody denies":          {"json", 401, "", nil, notifier.Permanent, 0, "webhook: HTTP status 401 Unauthorized (check the connection's headers and signing_secret)"},
		"anybody moved":           {"json", 301, "", map[string]string{"Location": "https://example.org/"}, notifier.Permanent, 0, "webhook: HTTP status 301 Moved Permanently (redirects are not followed: put the address it leads to into the connection's url)"},
		"anybody gone":            {"json", 410, "", nil, notifier.Permanent, 0, "(check the connection's url)"},
		"another method":          {"json", 405, "", nil, notifier.Permanent, 0, "(check the connection's url and the connection's method)"},
		"not understood":          {"json", 415, `{"message": 5, "error": ["x"]}`, nil, notifier.Permanent, 0, "415 Unsupported Media Type (check the connection's format)"},
		"too large":               {"json", 413, `{"error": "too\nlarge"}`, nil, notifier.Permanent, 0, "webhook: HTTP status 413 Request Entity Too Large: too large"},
		"broken":                  {"json", 500, `{"error": "x"}`, nil, notifier.Unknown, 0, "500 Internal Server Error: x"},
		"a chat is away":          {"mattermost", 503, "", map[string]string{"Retry-After": "30"}, notifier.Retry, 30 * time.Second, "503"},
		"a proxy's 503":           {"mattermost", 503, "upstream connect error or disconnect/reset before headers", nil, notifier.Unknown, 0, "503"},
		"away":                    {"json", 503, "", map[string]string{"Retry-After": "30"}, notifier.Retry, 30 * time.Second, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := receive(t)
			r.answers(tc.status, tc.body, tc.header)
			n := open(t, webhook.Config{URL: secret(t, r.URL+"/topic"), Format: tc.format, AllowPrivate: true}, r.Client())
			receipt, err := n.Send(t.Context(), &webhook.Destination{}, failed())
			require.Nil(t, receipt)
			require.ErrorContains(t, err, tc.want)
			verdict, wait := notifier.VerdictOf(err)
			require.Equal(t, tc.verdict, verdict)
			require.Equal(t, tc.wait, wait)
		})
	}
}

// Without a version in the path it is Discord's sixth, which counts in milliseconds.
func TestDiscordIsCalledByAVersionThatCountsInSeconds(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"/api/webhooks/1/x":                "/api/v10/webhooks/1/x",
		"/api/webhooks/1/x%2Fy?thread_id=": "/api/v10/webhooks/1/x%2Fy",
		"/api/v9/webhooks/1/x":             "/api/v9/webhooks/1/x",
		"/proxy/api/webhooks/1/x":          "/proxy/api/webhooks/1/x",
		"/api/webhooks":                    "/api/webhooks",
	} {
		r := receiveAs(t, "discord")
		n := open(t, webhook.Config{URL: secret(t, r.URL+given), Format: "discord", AllowPrivate: true}, r.Client())
		_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
		require.NoError(t, err)
		require.NoError(t, n.Check(t.Context()))
		for _, got := range r.all() {
			require.Equal(t, want, got.escaped, got.method)
		}
	}
	r := receiveAs(t, "discord")
	_, err := open(t, webhook.Config{URL: secret(t, r.URL+"/api/webhooks/1/x"), AllowPrivate: true}, r.Client()).Send(t.Context(), &webhook.Destination{}, failed())
	require.NoError(t, err)
	require.Equal(t, "/api/webhooks/1/x", r.only(t).path, "with format discord alone")
}

func TestReceiptsNameTheMessage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		format, body string
		want         notifier.Receipt
	}{
		"Discord":     {"discord", answerOf("discord"), notifier.Receipt{"status": "200", "message_id": "11", "channel_id": "22"}},
		"Google Chat": {"google-chat", answerOf("google-chat"), notifier.Receipt{"status": "200", "name": "spaces/A/messages/B"}},
		"ntfy":        {"ntfy", answerOf("ntfy"), notifier.Receipt{"status": "200", "message_id": "x9"}},
		"Mattermost":  {"mattermost", "ok\n", notifier.Receipt{"status": "200"}},
		"nonsense":    {"discord", `{"id": "\u0000", "channel_id": 5, "name": [{}]}`, notifier.Receipt{"status": "200"}},
		"anybody":     {"json", `{"id": "secret?"}`, notifier.Receipt{"status": "200"}},
	} {
		r := receive(t)
		r.answers(200, tc.body, nil)
		n := open(t, webhook.Config{URL: secret(t, r.URL+"/topic"), Format: tc.format, AllowPrivate: true}, r.Client())
		receipt, err := n.Send(t.Context(), &webhook.Destination{}, failed())
		require.NoError(t, err, name)
		require.Equal(t, tc.want, receipt, name)
	}
}

// A page with 200, a login's for example, is no chat's answer, nor is what another chat says: nobody knows what became of
// the message.
func TestAChatTakesAMessageByItsOwnAnswerAlone(t *testing.T) {
	t.Parallel()
	for format, others := range map[string][]string{
		"mattermost":  {`{"id": "1"}`, "okay", `"ok"`},
		"discord":     {"ok", `{"name": "a"}`, `{"id": 5}`, `{"message": "no", "code": 0}`},
		"google-chat": {"ok", `{"id": "1"}`, `{"error": {"message": "no"}}`, `{"name": ""}`},
		"ntfy":        {"ok", `{"name": "a"}`, `[{"id": "1"}]`},
	} {
		for _, body := range append(others, "", "<html>Sign in</html>", answerOf("json"), answerOf(format)[:1]) {
			r := receive(t)
			n := open(t, webhook.Config{URL: secret(t, r.URL+"/topic"), Format: format, AllowPrivate: true}, r.Client())
			for _, status := range []int{200, 201, 202} {
				r.answers(status, body, nil)
				_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
				require.ErrorContains(t, err, "(another answered, and not the chat: check the connection's url and what stands in front of it, a login for example)", "%s %q", format, body)
				verdict, _ := notifier.VerdictOf(err)
				require.Equal(t, notifier.Unknown, verdict)
			}
		}
	}
}

func TestNtfyNeedsATopic(t *testing.T) {
	t.Parallel()
	const want = "must end with the topic, as https://ntfy.example.org/topic"
	for _, path := range []string{"", "/", "/a.b", "/" + strings.Repeat("x", 65)} {
		r := receive(t)
		url := secret(t, r.URL+path)
		c := webhook.Config{URL: url, Format: "ntfy", AllowPrivate: true}
		_, err := webhook.New(c, notifier.Deps{HTTP: r.Client(), Guarded: r.Client()})
		require.EqualError(t, err, "open webhook: url: what is in "+url.String()+" "+want, path)

		require.NoError(t, os.WriteFile(url.File, []byte(r.URL+"/topic"), 0o600))
		n := open(t, c, r.Client())
		require.NoError(t, os.WriteFile(url.File, []byte(r.URL+path), 0o600))
		_, err = n.Send(t.Context(), &webhook.Destination{}, failed())
		require.EqualError(t, err, "webhook: url: what is in "+url.String()+" "+want)
		require.EqualError(t, n.Check(t.Context()), err.Error())

		_, err = open(t, webhook.Config{Format: "ntfy"}, r.Client()).Send(t.Context(), &webhook.Destination{URL: r.URL + path}, failed())
		require.EqualError(t, err, "webhook: url: "+want)
		require.Empty(t, r.all())
	}
}

func TestNtfyPostsToTheServer(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"/topic": "/", "/topic/": "/", "/sub/topic//": "/sub/", "/sub/topic?x=y": "/sub/"} {
		r := receiveAs(t, "ntfy")
		n := open(t, webhook.Config{URL: secret(t, r.URL+given), Format: "ntfy", AllowPrivate: true}, r.Client())
		_, err := n.Send(t.Context(), &webhook.Destination{}, failed())
		require.NoError(t, err)
		got := r.only(t)
		require.Equal(t, want, got.path, given)
		require.Contains(t, string(got.body), `"topic":"topic"`)
	}
}

func TestCheckConnectsAndSendsNothing(t *testing.T) {
	t.Parallel()
	r := receive(t)
	for _, format := range []string{"json", "ntfy", "mattermost"} {
		n := served(t, webhook.Config{URL: secret(t, r.URL+"/"+urlToken), Format: format, AllowPrivate: true})
		require.NoError(t, n.Check(t.Context()))
	}
	require.NoError(t, served(t, webhook.Config{}).Check(t.Context()), "tasks say where")
	require.Empty(t, r.all())

	err := served(t, webhook.Config{URL: secret(t, r.URL)}).Check(t.Context())
	require.ErrorIs(t, err, notifier.ErrForbiddenAddress)
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Permanent, verdict)

	r.Close()
	err = served(t, webhook.Config{URL: secret(t, r.URL), AllowPrivate: true}).Check(t.Context())
	require.ErrorContains(t, err, "webhook: dial tcp")
	verdict, _ = notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)

	token := secret(t, "x")
	n := served(t, webhook.Config{Headers: map[string]webhook.Header{"A": {Secret: token}}})
	require.NoError(t, os.Remove(token.File))
	require.ErrorContains(t, n.Check(t.Context()), "webhook: headers.A: read secret")
}

func TestCheckVerifiesTheCertificate(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	c := webhook.Config{URL: secret(t, s.URL), AllowPrivate: true}
	require.NoError(t, open(t, c, s.Client()).Check(t.Context()))
	require.ErrorContains(t, served(t, c).Check(t.Context()), "certificate")
}

func TestCheckGoesAsFarAsTheProxy(t *testing.T) {
	t.Parallel()
	proxy := receive(t)
	at, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	dialed := ""
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(at),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialed = address
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
	n := open(t, webhook.Config{URL: secret(t, "https://hooks.example.org/x"), AllowPrivate: true}, client)
	require.NoError(t, n.Check(t.Context()))
	require.Equal(t, at.Host, dialed)
}

func TestCheckAsksDiscordAboutTheWebhook(t *testing.T) {
	t.Parallel()
	r := receive(t)
	n := served(t, webhook.Config{URL: secret(t, r.URL+"/api/webhooks/1/x?thread_id=5"), Format: "discord", AllowPrivate: true})
	r.answers(200, `{"id": "1"}`, nil)
	require.NoError(t, n.Check(t.Context()))
	require.Equal(t, "GET /api/v10/webhooks/1/x", r.only(t).method+" "+r.only(t).path)
	r.answers(404, `{"message": "Unknown Webhook", "code": 10015}`, nil)
	require.ErrorContains(t, n.Check(t.Context()), "the webhook was deleted")
	r.answers(500, "", nil)
	err := n.Check(t.Context())
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)
}

func TestADepsWithoutPrivateStaysGuarded(t *testing.T) {
	t.Parallel()
	deps := app.Deps()
	deps.Private = nil
	n, err := webhook.New(webhook.Config{AllowPrivate: true}, deps)
	require.NoError(t, err)
	require.ErrorIs(t, refusedFor(t, n, "http://127.0.0.1/"), notifier.ErrForbiddenAddress)
}
