package pagerduty_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pagerdutysim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/pagerduty"
)

var update = flag.Bool("update", false, "write the golden files anew")

const routingKey = "0123456789abcdef0123456789abcdef"

// secret writes a value where a config can refer to it.
func secret(t testing.TB, value string) notifier.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return notifier.Secret{File: file}
}

func open(t testing.TB, url string, client *http.Client) *pagerduty.Notifier {
	t.Helper()
	n, err := pagerduty.New(pagerduty.Config{RoutingKey: secret(t, routingKey), APIURL: exchange.BaseURL(url)}, client)
	require.NoError(t, err)
	return n
}

// serve returns a notifier whose service is h.
func serve(t testing.TB, h http.Handler) *pagerduty.Notifier {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return open(t, server.URL, server.Client())
}

// message is one about an execution, as the executor's default ones are.
func message(status notifier.Status, reason, name string) notifier.Message {
	m := notifiertest.Message()
	m.Status, m.Reason, m.Title = status, reason, "ml.train "+reason
	m.Facts = append(m.Facts, notifier.Fact{Name: "Workflow", Value: "ml.train (v7)"})
	m.Vars = map[string]any{"Project": "flytesnacks", "Domain": "production", "Name": name, "LaunchPlan": "ml.nightly", "Workflow": "ml.train"}
	return m
}

func TestConformance(t *testing.T) {
	t.Parallel()
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			return open(t, url, client)
		},
		Destination: &pagerduty.Destination{},
		Accept:      pagerdutysim.New(routingKey), // it refuses what PagerDuty refuses
		Secrets:     []string{routingKey},
		MaxRequest:  512_000,
		Verdicts: map[int]notifier.Verdict{
			http.StatusAccepted:           notifier.Delivered, // the body means nothing
			http.StatusServiceUnavailable: notifier.Retry,
		},
		Inspect: func(t testing.TB, _ *http.Request, body []byte) {
			t.Helper()
			var e pagerdutysim.Event
			assert.NoError(t, json.Unmarshal(body, &e))
			for _, text := range []string{e.DedupKey, e.Payload.Summary, e.Payload.Source, e.Payload.Component, e.Payload.Group, e.Payload.Class} {
				assert.Equal(t, notifier.OneLine(text), text, "one printable line")
			}
			for name, value := range e.Payload.Details {
				assert.Equal(t, notifier.Printable(name+value.(string)), name+value.(string))
			}
			for _, l := range append(e.Links, struct {
				Href string `json:"href"`
				Text string `json:"text"`
			}{Href: e.ClientURL}) {
				assert.Regexp(t, `^(https://flyte\.example\.org/[!-~]*|https://a\.b[!-~]*|)$`, l.Href)
			}
		},
	})
}

func ofNode(node string, status notifier.Status, reason string) notifier.Message {
	m := message(status, reason, "f1")
	m.Vars["Node"] = node
	return m
}

func ofPlan(plan string, m notifier.Message) notifier.Message {
	m.Vars["LaunchPlan"] = plan
	return m
}

func ofOrg(org string, m notifier.Message) notifier.Message {
	m.Vars["Org"] = org
	return m
}

func several(key, name string) notifier.Message {
	m := message(notifier.Failure, "phase:FAILED", name)
	m.Key, m.Items = key, []notifier.Item{{Text: "f1 FAILED"}, {Text: "f2 FAILED"}}
	return m
}

// The messages of one execution are one incident, and those of a launch plan's history one too.
func TestGoodNewsResolveWhatBadNewsOpened(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d    pagerduty.Destination
		sent []notifier.Message
		want string // the key, its events and whether it is open, of each alert
	}{
		"an execution": {sent: []notifier.Message{
			message(notifier.Warning, "running_for:2h0m0s", "f1"), message(notifier.Failure, "phase:FAILED", "f2"), message(notifier.Success, "phase:SUCCEEDED", "f1"),
		}, want: "flyte/flytesnacks/production/f1 2 false; flyte/flytesnacks/production/f2 1 true"},
		"history": {sent: []notifier.Message{
			message(notifier.Failure, "first_failure", "f1"), message(notifier.Failure, "failure_rate:5/20", "f2"),
			message(notifier.Failure, "no_success_for:26h0m0s", "f2"), message(notifier.Success, "recovered", "f3"),
		}, want: "flyte/flytesnacks/production/launch_plan/ml.nightly 2 false; flyte/flytesnacks/production/launch_plan/ml.nightly/failure_rate 1 true; " +
			"flyte/flytesnacks/production/launch_plan/ml.nightly/no_success_for 1 true"},
		"history as one, if asked for": {d: pagerduty.Destination{Dedup: "launch_plan"}, sent: []notifier.Message{
			message(notifier.Failure, "failure_rate:5/20", "f2"), message(notifier.Failure, "no_success_for:26h0m0s", ""), message(notifier.Success, "phase:SUCCEEDED", "f3"),
		}, want: "flyte/flytesnacks/production/launch_plan/ml.nightly 3 false"},
		"an execution called as a launch plan": {sent: []notifier.Message{
			ofPlan("nightly", message(notifier.Failure, "first_failure", "f1")), ofPlan("nightly", message(notifier.Success, "phase:SUCCEEDED", "nightly")),
		}, want: "flyte/flytesnacks/production/launch_plan/nightly 1 true"},
		"history without a launch plan": {sent: []notifier.Message{
			ofPlan("", message(notifier.Failure, "first_failure", "f1")), ofPlan("", message(notifier.Success, "phase:SUCCEEDED", "f1")),
		}, want: "flyte/flytesnacks/production/f1 2 false"},
		"organizations are apart": {sent: []notifier.Message{
			ofOrg("a", message(notifier.Failure, "phase:TIMED_OUT", "f1")), ofOrg("b", message(notifier.Success, "phase:SUCCEEDED", "f1")), message(notifier.Success, "phase:SUCCEEDED", "f1"),
		}, want: "flyte/a/flytesnacks/production/f1 1 true"},
		"by launch plan": {d: pagerduty.Destination{Dedup: "launch_plan"}, sent: []notifier.Message{
			message(notifier.Failure, "phase:FAILED", "f1"), message(notifier.Success, "phase:SUCCEEDED", "f2"),
		}, want: "flyte/flytesnacks/production/launch_plan/ml.nightly 2 false"},
		"by execution all the same": {d: pagerduty.Destination{Dedup: "execution"}, sent: []notifier.Message{
			message(notifier.Failure, "first_failure", "f1"), message(notifier.Success, "recovered", "f2"),
		}, want: "flyte/flytesnacks/production/f1 1 true"},
		"no execution to go by": {
			d: pagerduty.Destination{Dedup: "execution"}, sent: []notifier.Message{message(notifier.Failure, "no_success_for:1h0m0s", "")},
			want: "flyte/flytesnacks/production/launch_plan/ml.nightly/no_success_for 1 true",
		},
		"a key of one's own": {d: pagerduty.Destination{DedupKey: "my\nkey", Dedup: "launch_plan"}, sent: []notifier.Message{
			message(notifier.Failure, "phase:FAILED", "f1"), message(notifier.Success, "recovered", "f2"),
		}, want: "my key 2 false"},
		"nodes are apart": {sent: []notifier.Message{
			ofNode("n1", notifier.Failure, "node:n1:FAILED"), ofNode("n2", notifier.Success, "node:n2:SUCCEEDED"),
		}, want: "flyte/flytesnacks/production/f1/node/n1 1 true"},
		"watched nodes are apart": {sent: []notifier.Message{
			ofNode("n1", notifier.Failure, "phase:FAILED"), ofNode("n2", notifier.Success, "phase:SUCCEEDED"), message(notifier.Success, "phase:SUCCEEDED", "f1"),
		}, want: "flyte/flytesnacks/production/f1/node/n1 1 true"},
		"a node that runs again": {sent: []notifier.Message{
			ofNode("n0-0-n1", notifier.Failure, "phase:FAILED"), message(notifier.Success, "node:n0-0-n1:SUCCEEDED", "f1"),
		}, want: "flyte/flytesnacks/production/f1/node/n0-0-n1 2 false"},
		"a node ends while its execution runs": {sent: []notifier.Message{
			message(notifier.Warning, "running_for:2h0m0s", "f1"), ofNode("n0", notifier.Success, "node:n0:SUCCEEDED"),
		}, want: "flyte/flytesnacks/production/f1 1 true"},
		"a node's timeout": {sent: []notifier.Message{
			ofNode("n1", notifier.Warning, "before_timeout:n1"), message(notifier.Success, "phase:SUCCEEDED", "f1"),
		}, want: "flyte/flytesnacks/production/f1 2 false"},
		"a launch plan's node": {d: pagerduty.Destination{Dedup: "launch_plan"}, sent: []notifier.Message{
			ofNode("n1", notifier.Failure, "phase:FAILED"), ofNode("n2", notifier.Success, "phase:SUCCEEDED"),
		}, want: "flyte/flytesnacks/production/launch_plan/ml.nightly/node/n1 1 true"},
		"several executions": {sent: []notifier.Message{several("d-1", "f1"), several("d-2", "f1")}, want: "flyte/d-1 1 true; flyte/d-2 1 true"},
		"about nothing":      {sent: []notifier.Message{{Key: "d-1"}, {Key: "d-2"}, {}}, want: "flyte/d-1 1 true; flyte/d-2 1 true; flyte/message 1 true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := pagerdutysim.New(routingKey)
			n := serve(t, sim)
			for _, m := range c.sent {
				_, err := n.Send(t.Context(), &c.d, m)
				require.NoError(t, err)
			}
			var got []string
			for _, a := range sim.Alerts() {
				got = append(got, fmt.Sprint(a.DedupKey, " ", len(a.Events), " ", a.Open))
			}
			require.Equal(t, c.want, strings.Join(got, "; "))
		})
	}
}

func TestSentAgainItIsOneAlert(t *testing.T) {
	t.Parallel()
	sim := pagerdutysim.New(routingKey)
	n := serve(t, sim)
	for range 3 {
		receipt, err := n.Send(t.Context(), &pagerduty.Destination{}, message(notifier.Failure, "phase:FAILED", "f1"))
		require.NoError(t, err)
		require.Equal(t, notifier.Receipt{"dedup_key": "flyte/flytesnacks/production/f1"}, receipt)
	}
	require.Len(t, sim.Alerts(), 1)
	require.Equal(t, 3, sim.Taken())
	require.True(t, pagerduty.Manifest().Idempotent)
}

func TestLongKeysStayApart(t *testing.T) {
	t.Parallel()
	sim := pagerdutysim.New(routingKey)
	n := serve(t, sim)
	for _, end := range []string{"a", "b", "a"} {
		receipt, err := n.Send(t.Context(), &pagerduty.Destination{DedupKey: strings.Repeat("é", 200) + end}, notifiertest.Message())
		require.NoError(t, err)
		require.LessOrEqual(t, len(receipt["dedup_key"]), 255)
		require.Regexp(t, `^é{100,}#[0-9a-f]{32}$`, receipt["dedup_key"])
	}
	require.Len(t, sim.Alerts(), 2)
	exact := strings.Repeat("k", 255)
	receipt, err := n.Send(t.Context(), &pagerduty.Destination{DedupKey: exact}, notifiertest.Message())
	require.NoError(t, err)
	require.Equal(t, exact, receipt["dedup_key"])
}

func TestSeverityByStatusOrAsAsked(t *testing.T) {
	t.Parallel()
	sim := pagerdutysim.New(routingKey)
	n := serve(t, sim)
	for i, c := range []struct {
		status      notifier.Status
		asked, want string
	}{
		{notifier.Failure, "", "error"},
		{notifier.Warning, "", "warning"},
		{notifier.Info, "", "info"},
		{"", "", "info"},
		{notifier.Failure, "critical", "critical"},
		{notifier.Info, "error", "error"},
	} {
		_, err := n.Send(t.Context(), &pagerduty.Destination{Severity: c.asked}, message(c.status, "phase:X", fmt.Sprint("f", i)))
		require.NoError(t, err)
		require.Equal(t, c.want, sim.Alerts()[i].Events[0].Payload.Severity)
	}
}

func TestLongTextsAreCutSayingSo(t *testing.T) {
	t.Parallel()
	sim := pagerdutysim.New(routingKey)
	m := message(notifier.Failure, "phase:FAILED", "f1")
	m.Title, m.Error, m.Facts = strings.Repeat("t", 5000), "first\n"+strings.Repeat("😀", 1<<17)+"\nlast", []notifier.Fact{{Name: "Long", Value: strings.Repeat("v", 5000)}}
	m.Body, m.Notes = strings.Repeat("\\\"", 1<<17), []string{"a note", "another"}
	_, err := serve(t, sim).Send(t.Context(), &pagerduty.Destination{Component: strings.Repeat("c", 999)}, m)
	require.NoError(t, err)
	got := sim.Alerts()[0].Events[0].Payload
	require.Equal(t, strings.Repeat("t", 1023)+"…", got.Summary)
	require.Equal(t, strings.Repeat("c", 254)+"…", got.Component)
	require.Equal(t, strings.Repeat("v", 499)+"…", got.Details["Long"])
	require.Regexp(t, `(?s)^first\n.*\n… \(\d+ characters cut\) …\n.*\nlast$`, got.Details["Error"])
	require.Equal(t, "a note\nanother", got.Details["Note"])
}

// TestVerdictOfEachAnswer is the table of what PagerDuty's answers come to, and what the error says to do.
func TestVerdictOfEachAnswer(t *testing.T) {
	t.Parallel()
	invalid := func(errors string) string {
		return `{"status": "invalid event", "message": "Event object is invalid", "errors": ` + errors + `}`
	}
	for _, c := range []struct {
		status int
		body   string
		want   notifier.Verdict
		text   string
	}{
		{400, invalid(`["Length of 'routing_key' is incorrect (should be 32 characters)"]`), notifier.Permanent, "HTTP status 400 Bad Request: Length of 'routing_key' is incorrect (should be 32 characters) (check the connection's routing_key"},
		{400, invalid(`["Invalid routing key"]`), notifier.Permanent, "(check the connection's routing_key"},
		{400, invalid(`["'payload.source' is missing or blank", "b\nc", "d", "e", "f"]`), notifier.Permanent, "Bad Request: 'payload.source' is missing or blank; b c; d; e"},
		{400, invalid(`[]`), notifier.Permanent, "Bad Request: Event object is invalid"},
		{400, invalid(`["the key ` + routingKey + ` is unknown"]`), notifier.Permanent, "the key <secret> is unknown"},
		{400, "<html>", notifier.Permanent, "HTTP status 400 Bad Request"},
		{401, "", notifier.Permanent, "(check the connection's routing_key"},
		{403, "", notifier.Permanent, "(check the connection's routing_key"},
		{404, "", notifier.Permanent, "(check the connection's api_url)"},
		{413, "", notifier.Permanent, "(the event is over PagerDuty's 512 KB)"},
		{429, `{"message": "Throttle"}`, notifier.Retry, "HTTP status 429 Too Many Requests: Throttle"},
		{500, "", notifier.Unknown, "HTTP status 500"},
		{502, "", notifier.Unknown, "HTTP status 502"},
		{503, "", notifier.Retry, "HTTP status 503"},
		{200, "ok", notifier.Unknown, "HTTP status 200"},
	} {
		n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, err := n.Send(t.Context(), &pagerduty.Destination{}, notifiertest.Message())
		verdict, _ := notifier.VerdictOf(err)
		require.Equal(t, c.want, verdict, "%v", err)
		require.ErrorContains(t, err, "pagerduty: ")
		require.ErrorContains(t, err, c.text)
	}
}

func TestTheSimulatorsRefusalIsUnderstood(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{512_000: http.StatusAccepted, 512_001: http.StatusRequestEntityTooLarge, 600_000: http.StatusRequestEntityTooLarge} {
		body := `{"routing_key":"` + routingKey + `","event_action":"resolve","dedup_key":"k"`
		body += strings.Repeat(" ", size-len(body)-1) + "}"
		answer := httptest.NewRecorder()
		pagerdutysim.New(routingKey).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v2/enqueue", strings.NewReader(body)))
		require.Equal(t, want, answer.Code, size)
	}
	n := serve(t, pagerdutysim.New("fedcba9876543210fedcba9876543210"))
	_, err := n.Send(t.Context(), &pagerduty.Destination{}, notifiertest.Message())
	require.EqualError(t, err, "pagerduty: HTTP status 400 Bad Request: Invalid routing key (check the connection's routing_key: the integration key of an Events API v2 integration, and its region)")
}

// recorder is a transport that answers by itself.
type recorder struct{ url string }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.url = req.URL.String()
	return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Request: req}, nil
}

func TestURLByRegion(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]pagerduty.Config{
		"https://events.pagerduty.com/v2/enqueue":        {},
		"https://events.pagerduty.com/v2/enqueue#us":     {Region: "us"},
		"https://events.eu.pagerduty.com/v2/enqueue":     {Region: "eu"},
		"https://proxy.example.org/pd/v2/enqueue#region": {Region: "eu", APIURL: "https://proxy.example.org/pd/"},
	} {
		r := &recorder{}
		c.RoutingKey = secret(t, routingKey)
		n, err := pagerduty.New(c, &http.Client{Transport: r})
		require.NoError(t, err)
		_, err = n.Send(t.Context(), &pagerduty.Destination{}, notifiertest.Message())
		require.NoError(t, err)
		require.Equal(t, strings.Split(want, "#")[0], r.url)
	}
}

func TestConfigAndDestinationAreChecked(t *testing.T) {
	t.Parallel()
	require.Equal(t, []notifier.Problem{{Path: "region", Text: "must be us or eu"}},
		(&pagerduty.Config{Region: "asia"}).Validate())
	d := &pagerduty.Destination{Severity: "fatal", Dedup: "task"}
	require.Equal(t, []notifier.Problem{
		{Path: "severity", Text: "must be one of critical, error, warning, info"}, {Path: "dedup", Text: "must be one of execution, launch_plan"},
	}, d.Validate())
	require.Equal(t, []string{"pagerduty"}, notifier.Addresses(d))
	_, err := serve(t, pagerdutysim.New(routingKey)).Send(t.Context(), d, notifiertest.Message())
	require.EqualError(t, err, "pagerduty: severity: must be one of critical, error, warning, info")
	_, err = pagerduty.New(pagerduty.Config{RoutingKey: notifier.Secret{Env: "NO_SUCH_VARIABLE"}}, nil)
	require.EqualError(t, err, "open pagerduty: routing_key: secret env:NO_SUCH_VARIABLE is empty or not set")
}

func TestARotatedKeyIsTakenUp(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(pagerdutysim.New(routingKey))
	t.Cleanup(server.Close)
	key := secret(t, strings.Repeat("x", 32))
	n, err := pagerduty.New(pagerduty.Config{RoutingKey: key, APIURL: exchange.BaseURL(server.URL)}, server.Client())
	require.NoError(t, err)
	_, err = n.Send(t.Context(), &pagerduty.Destination{}, notifiertest.Message())
	require.ErrorContains(t, err, "Invalid routing key")
	require.NoError(t, os.WriteFile(key.File, []byte(routingKey), 0o600))
	_, err = n.Send(t.Context(), &pagerduty.Destination{}, notifiertest.Message())
	require.NoError(t, err)
	require.NoError(t, os.Remove(key.File))
	_, err = n.Send(t.Context(), &pagerduty.Destination{}, notifiertest.Message())
	verdict, _ := notifier.VerdictOf(err)
	require.Equal(t, notifier.Retry, verdict)
}

// What a preview shows is what a send posts, but for the key.
func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	failed, recovered := message(notifier.Failure, "phase:FAILED", "f8d3a1"), message(notifier.Success, "recovered", "f9e4b2")
	failed.Error = "Traceback (most recent call last):\n  File \"/root/train.py\", line 41\nValueError: expected <float32> & got \"object\""
	recovered.Error = ""
	for name, m := range map[string]notifier.Message{"failed": failed, "recovered": recovered} {
		var body []byte
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ = io.ReadAll(r.Body)
			w.WriteHeader(http.StatusAccepted)
		}))
		_, err := open(t, server.URL, server.Client()).Send(t.Context(), &pagerduty.Destination{}, m)
		server.Close()
		require.NoError(t, err)
		shown, err := (&pagerduty.Destination{}).Preview(m)
		require.NoError(t, err)
		require.Equal(t, strings.Replace(string(body), `"routing_key":"`+routingKey+`",`, "", 1), string(shown.Payload))
		var pretty bytes.Buffer
		require.NoError(t, json.Indent(&pretty, shown.Payload, "", "  "))
		golden(t, name+".json", pretty.String()+"\n")
	}
	require.Equal(t, time.UTC, failed.Time.Location())
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
