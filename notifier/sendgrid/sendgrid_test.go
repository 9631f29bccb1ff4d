package sendgrid_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/sendgrid"
)

const apiKey = "SG.test-key_1.x"

// secret writes a value where a config can refer to it.
func secret(t testing.TB, value string) notifier.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return notifier.Secret{File: file}
}

func open(t testing.TB, c sendgrid.Config, client *http.Client) *sendgrid.Notifier {
	t.Helper()
	if c.APIKey.IsZero() {
		c.APIKey = secret(t, apiKey)
	}
	if c.From == "" {
		c.From = "Flyte <flyte@example.org>"
	}
	n, err := sendgrid.New(c, client)
	require.NoError(t, err)
	return n
}

// start returns a simulated SendGrid and a notifier that uses it.
func start(t *testing.T, c sendgrid.Config) (*sendgridsim.Server, *sendgrid.Notifier) {
	t.Helper()
	sim := sendgridsim.New(apiKey)
	t.Cleanup(sim.Close)
	c.Host = exchange.BaseURL(sim.URL())
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return sim, open(t, c, &http.Client{Transport: transport})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	sim := sendgridsim.New(apiKey)
	t.Cleanup(sim.Close)
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			return open(t, sendgrid.Config{Host: exchange.BaseURL(url)}, client)
		},
		Destination: &sendgrid.Destination{To: []string{"ada@example.org"}},
		Accept:      sim, // it refuses what SendGrid refuses
		Secrets:     []string{apiKey},
		Verdicts: map[int]notifier.Verdict{
			http.StatusAccepted:            notifier.Delivered, // the body means nothing
			http.StatusInternalServerError: notifier.Retry,
			http.StatusBadGateway:          notifier.Retry,
			http.StatusServiceUnavailable:  notifier.Retry,
			http.StatusGatewayTimeout:      notifier.Retry,
		},
	})
}

func TestSendsTextAndHTMLToAll(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{ListUnsubscribe: "https://example.org/leave"})
	d := &sendgrid.Destination{
		To: []string{"Ada <ada@Example.org>", "bob@example.org", "ADA@example.org"}, Cc: []string{"cy@example.org", "bob@example.org"},
		Bcc: []string{"di@example.org", "cy@example.org"}, ReplyTo: "Team <team@example.org>",
		Subject: "train\r\nfailed", Categories: []string{"flyte", "ml", "flyte"},
	}

	receipt, err := n.Send(t.Context(), d, notifiertest.Message())

	require.NoError(t, err)
	require.Len(t, sim.Mails(), 1)
	got := sim.Mails()[0]
	require.Equal(t, notifier.Receipt{"message_id": got.ID}, receipt)
	require.Contains(t, got.Text, "train FAILED\n====")
	require.Contains(t, got.Text, "ValueError: no such table")
	require.Contains(t, got.HTML, "<h1 ")
	require.Contains(t, got.HTML, `href="https://flyte.example.org/console/f1"`)
	got.ID, got.Text, got.HTML = "", "", ""
	require.Equal(t, sendgridsim.Mail{
		From: "flyte@example.org", FromName: "Flyte", ReplyTo: "team@example.org", Subject: "train failed",
		To: []string{"ada@example.org", "bob@example.org"}, Cc: []string{"cy@example.org"}, Bcc: []string{"di@example.org"},
		Categories: []string{"flyte", "ml"}, CustomArgs: map[string]string{"flyte_notifier_key": "d-0001"},
		Headers: map[string]string{"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "List-Unsubscribe": "<https://example.org/leave>"},
	}, got)
}

// TestNoCategoryCostsTheMail: they are for statistics, and templates make of them what there is.
func TestNoCategoryCostsTheMail(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	long := strings.Repeat("x", 256)
	d := &sendgrid.Destination{To: []string{"ada@example.org"}, Categories: []string{"", "team", " \n", long, long + "y"}}
	require.Empty(t, d.Validate())

	_, err := n.Send(t.Context(), d, notifiertest.Message())

	require.NoError(t, err)
	require.Equal(t, []string{"team", strings.Repeat("x", 254) + "…"}, sim.Mails()[0].Categories)
}

func TestTitleIsTheDefaultSubject(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})

	_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

	require.NoError(t, err)
	require.Equal(t, "train FAILED", sim.Mails()[0].Subject)
}

func TestDynamicTemplateGetsEveryVariable(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	m := notifiertest.Message()
	m.Vars = map[string]any{
		"Phase": "FAILED", "Repeat": 2, "Labels": map[string]string{"team": "ml\x00"},
		"Inputs": map[string]any{"big": int64(1<<53 + 1), "small": int64(-5), "list": []any{uint64(1 << 63), 0.5}, "text": strings.Repeat("x", 1<<17)},
	}

	_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}, TemplateID: "d-0123456789abcdef"}, m)

	require.NoError(t, err)
	got := sim.Mails()[0]
	require.Equal(t, "d-0123456789abcdef", got.TemplateID)
	require.Empty(t, got.HTML)
	require.Len(t, got.TemplateData["Inputs"].(map[string]any)["text"], 64<<10+len("…")-1)
	delete(got.TemplateData["Inputs"].(map[string]any), "text")
	body := got.TemplateData["body"]
	require.Contains(t, body, "no such table")
	require.Equal(t, map[string]any{
		"Phase": "FAILED", "Repeat": 2.0, "Labels": map[string]any{"team": "ml"},
		"Inputs": map[string]any{"big": "9007199254740993", "small": -5.0, "list": []any{"9223372036854775808", 0.5}},
		"title":  "train FAILED", "subject": "train FAILED", "status": "failure", "body": body,
	}, got.TemplateData)
}

func TestTemplateDataLeavesOutWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	m := notifiertest.Message()
	m.Body = "the body"
	large := make([]any, 20)
	for i := range large {
		large[i] = strings.Repeat("x", 60<<10)
	}
	m.Vars = map[string]any{"Inputs": map[string]any{"large": large}, "Phase": "FAILED"}

	_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}, TemplateID: "d-1"}, m)

	require.NoError(t, err)
	require.Nil(t, sim.Mails()[0].TemplateData["Inputs"])
	require.Equal(t, "FAILED", sim.Mails()[0].TemplateData["Phase"])
	require.Equal(t, "the body", sim.Mails()[0].TemplateData["body"])
}

func TestSandboxIsDeliveredWithoutReceipt(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{Sandbox: true})

	receipt, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

	require.NoError(t, err)
	require.Empty(t, receipt)
	require.Empty(t, sim.Mails())
	require.Equal(t, 1, sim.Requests())
}

// recorder is a transport that answers by itself.
type recorder struct{ requests []*http.Request }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.requests = append(r.requests, req)
	return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{"X-Message-Id": {"m1"}}, Body: http.NoBody, Request: req}, nil
}

func TestHostByRegion(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]sendgrid.Config{
		"https://api.sendgrid.com/v3/mail/send":        {},
		"https://api.sendgrid.com/v3/mail/send#global": {DataResidency: "global"},
		"https://api.eu.sendgrid.com/v3/mail/send":     {DataResidency: "eu"},
		"https://proxy.example.org/sg/v3/mail/send":    {Host: "https://proxy.example.org/sg/"},
		"https://proxy.example.org/sg/v3/mail/send#eu": {Host: "https://proxy.example.org/sg", DataResidency: "eu"},
	} {
		r := &recorder{}
		n := open(t, c, &http.Client{Transport: r})

		receipt, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

		require.NoError(t, err)
		require.Equal(t, notifier.Receipt{"message_id": "m1"}, receipt)
		url, _, _ := strings.Cut(want, "#")
		require.Equal(t, url, r.requests[0].URL.String())
		require.Equal(t, "Bearer "+apiKey, r.requests[0].Header.Get("Authorization"))
	}
}

func TestRefusalsNameMessageFieldAndRemedy(t *testing.T) {
	t.Parallel()
	answer := func(message, field string) string {
		return fmt.Sprintf(`{"errors": [{"message": %q, "field": %q, "help": null}]}`, message, field)
	}
	long := answer(strings.Repeat("long ", 100), "from")
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{400, answer("Does not contain a valid address.", "personalizations.0.to.0.email"), "HTTP status 400 Bad Request: Does not contain a valid address. [personalizations.0.to.0.email]"},
		{400, `{"errors": [{"message": "a"}, {"message": "b\nc"}, {"message": "d"}, {"message": "e"}, {"message": "f"}]}`, "Bad Request: a; b c; d; e"},
		{400, long, "… [from]"},
		{401, answer("The provided authorization grant is invalid, expired, or revoked", ""), "expired, or revoked (check the connection's api_key)"},
		{401, answer("the key "+apiKey+" is wrong", ""), "the key <secret> is wrong"},
		{403, answer("The from address does not match a verified Sender Identity.", "from"), "(verify the connection's from under Settings > Sender Authentication)"},
		{403, answer("access forbidden", ""), "(give the connection's API key the permission Mail Send under Settings > API Keys)"},
		{404, "<html>", "HTTP status 404 Not Found (check the connection's host)"},
		{413, answer("too large", ""), "HTTP status 413 Request Entity Too Large: too large"},
	} {
		t.Run(strconv.Itoa(c.status)+c.want, func(t *testing.T) {
			t.Parallel()
			sim, n := start(t, sendgrid.Config{})
			sim.Fail(sendgridsim.Fault{Status: c.status, Body: c.body})

			receipt, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

			require.Nil(t, receipt)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), apiKey)
			require.Less(t, len(err.Error()), 700)
			verdict, _ := notifier.VerdictOf(err)
			require.Equal(t, notifier.Permanent, verdict)
		})
	}
}

func TestAPlanWithoutCreditsGetsNewOnes(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	sim.Fail(sendgridsim.Fault{Status: 401, Body: `{"errors": [{"message": "Maximum credits exceeded", "field": null}]}`})

	_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

	require.ErrorContains(t, err, "Maximum credits exceeded (the plan's mails are used up")
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)
}

func TestRealRefusalsAreUnderstood(t *testing.T) {
	t.Parallel()
	sim, _ := start(t, sendgrid.Config{})
	n := open(t, sendgrid.Config{Host: exchange.BaseURL(sim.URL()), APIKey: secret(t, "SG.other")}, nil)

	_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

	require.EqualError(t, err, "sendgrid: HTTP status 401 Unauthorized: The provided authorization grant is invalid, expired, or revoked (check the connection's api_key)")
}

func TestRateLimitWaitsUntilItsReset(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	for name, c := range map[string]struct {
		status      int
		headers     map[string]string
		least, most time.Duration
	}{
		"reset":                 {429, map[string]string{"X-Ratelimit-Reset": in(300 * time.Second)}, 200 * time.Second, 300 * time.Second},
		"other spelling":        {429, map[string]string{"X-RateLimit-Reset": in(300 * time.Second)}, 200 * time.Second, 300 * time.Second},
		"past reset":            {429, map[string]string{"X-Ratelimit-Reset": in(-time.Hour)}, 0, 0},
		"far reset":             {429, map[string]string{"X-Ratelimit-Reset": in(99 * time.Hour)}, time.Hour, time.Hour},
		"absurd reset":          {429, map[string]string{"X-Ratelimit-Reset": "9223372036854775807"}, time.Hour, time.Hour},
		"garbage":               {429, map[string]string{"X-Ratelimit-Reset": "soon"}, 0, 0},
		"past reset, but after": {429, map[string]string{"X-Ratelimit-Reset": in(-time.Hour), "Retry-After": "30"}, 30 * time.Second, 30 * time.Second},
		"unavailable":           {503, map[string]string{"X-Ratelimit-Reset": in(time.Hour), "Retry-After": "30"}, 30 * time.Second, 30 * time.Second},
		"nothing":               {500, nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, n := start(t, sendgrid.Config{})
			sim.Fail(sendgridsim.Fault{Status: c.status, Headers: c.headers})

			_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

			verdict, after := notifier.VerdictOf(err)
			require.Equal(t, notifier.Retry, verdict)
			require.GreaterOrEqual(t, after, c.least)
			require.LessOrEqual(t, after, c.most)
		})
	}
}

func TestLostAnswerIsUnknownAndOneRequest(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	sim.Fail(sendgridsim.Fault{Reset: true, Store: true, Times: -1})

	_, err := n.Send(t.Context(), &sendgrid.Destination{To: []string{"ada@example.org"}}, notifiertest.Message())

	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Unknown, verdict)
	require.ErrorContains(t, err, "sendgrid: no answer: ")
	require.NotContains(t, err.Error(), sim.URL())
	require.Equal(t, 1, sim.Requests(), "it must not try again by itself")
}

func TestRotatedKeyIsTakenUp(t *testing.T) {
	t.Parallel()
	sim, _ := start(t, sendgrid.Config{})
	key := secret(t, "SG.old")
	n := open(t, sendgrid.Config{Host: exchange.BaseURL(sim.URL()), APIKey: key}, nil)
	d := &sendgrid.Destination{To: []string{"ada@example.org"}}
	_, err := n.Send(t.Context(), d, notifiertest.Message())
	require.ErrorContains(t, err, "401")

	require.NoError(t, os.WriteFile(key.File, []byte(apiKey), 0o600))
	_, err = n.Send(t.Context(), d, notifiertest.Message())
	require.NoError(t, err)

	require.NoError(t, os.Remove(key.File))
	_, err = n.Send(t.Context(), d, notifiertest.Message())
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)
	require.ErrorContains(t, err, "api_key")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	sim, n := start(t, sendgrid.Config{})
	require.NoError(t, n.Check(t.Context()))
	require.Empty(t, sim.Mails())

	for want, c := range map[string]struct {
		fault   sendgridsim.Fault
		verdict notifier.Verdict
	}{
		"HTTP status 401 Unauthorized: Unauthorized (check the connection's api_key)": {sendgridsim.Fault{Status: 401}, notifier.Permanent},
		"check the connection's host": {sendgridsim.Fault{Status: 200, Body: "<html>"}, notifier.Retry},
		"HTTP status 501":             {sendgridsim.Fault{Status: 501}, notifier.Retry},
		"no answer":                   {sendgridsim.Fault{Reset: true, Times: -1}, notifier.Retry},
	} {
		c.fault.Scopes = true
		sim.Fail(c.fault)
		err := n.Check(t.Context())
		require.ErrorContains(t, err, want)
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, c.verdict, verdict, want)
		sim.Heal()
	}

	sim.SetScopes("templates.read")
	require.EqualError(t, n.Check(t.Context()), "sendgrid: the API key lacks mail.send (give the connection's API key the permission Mail Send under Settings > API Keys)")
}
