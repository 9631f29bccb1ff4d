package notifiertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/stdout"
)

const secret = "pigeon-secret-0123456789"

// pigeon is a notifier as it should be, and, with one of its faults, as it should not.
type pigeon struct {
	url    string
	client *http.Client
	fault  string
}

func (p *pigeon) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	if _, ok := d.(stdout.Destination); !ok && p.fault != "takes any destination" {
		return nil, notifier.Permanent.Errorf("pigeon: destination is a %T", d)
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	body, err := json.Marshal(map[string]string{"title": cut(m.Title, p.fault), "error": cut(m.Error, p.fault)})
	if err != nil {
		return nil, notifier.PermanentError(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/fly", bytes.NewReader(body))
	if err != nil {
		return nil, notifier.PermanentError(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := p.own().Do(req)
	if err != nil && p.fault == "lingers after a cancel" {
		<-time.After(150 * time.Millisecond)
	}
	switch {
	case err != nil && !connected.Load() && p.fault != "takes a refused connection for unknown":
		return nil, notifier.RetryAfter(0, fmt.Errorf("pigeon: %w", err))
	case err != nil && p.fault == "takes a broken connection for retry":
		return nil, notifier.RetryAfter(0, err)
	case err != nil:
		return nil, notifier.Unknown.Errorf("pigeon: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	return p.judge(resp)
}

func cut(s, fault string) string {
	if fault == "sends without a limit" {
		return s
	}
	return s[:min(len(s), 1000)]
}

func (p *pigeon) own() *http.Client {
	c := *p.client
	if p.fault != "follows redirects" {
		c.Transport = unmoved{c.Transport}
	}
	return &c
}

// unmoved takes redirects for answers.
type unmoved struct{ http.RoundTripper }

func (u unmoved) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := u.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

func (p *pigeon) judge(resp *http.Response) (notifier.Receipt, error) {
	from := io.Reader(resp.Body)
	if p.fault != "reads without end" {
		from = io.LimitReader(resp.Body, 1<<16)
	}
	text, err := io.ReadAll(from)
	var answer struct {
		Ring string `json:"ring"`
		ID   string `json:"id"`
	}
	status := fmt.Errorf("pigeon: HTTP status %d", resp.StatusCode)
	switch {
	case resp.StatusCode == http.StatusOK && err == nil && json.Unmarshal(text, &answer) == nil && answer.Ring != "":
		return notifier.Receipt{"ring": answer.Ring}, nil
	case resp.StatusCode == http.StatusOK && p.fault == "keeps what it is told" && json.Unmarshal(text, &answer) == nil && answer.ID != "":
		return notifier.Receipt{"ring": answer.ID}, nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusTooEarly:
		return nil, notifier.RetryAfter(p.after(resp.Header.Get("Retry-After")), status)
	case p.fault == "takes 503 for permanent" && resp.StatusCode == 503:
		return nil, notifier.PermanentError(status)
	case p.fault == "repeats the answer":
		status = errors.New("pigeon: " + notifier.Printable(string(text[:min(len(text), 900)])))
	case p.fault == "has errors of many lines":
		status = errors.New("pigeon:\n" + status.Error())
	}
	if notifiertest.DefaultVerdict(resp.StatusCode) == notifier.Permanent {
		return nil, notifier.PermanentError(status)
	}
	return nil, notifier.Unknown.Errorf("%w", status)
}

func (p *pigeon) after(header string) time.Duration {
	seconds, err := strconv.ParseInt(header, 10, 64)
	switch {
	case p.fault == "believes any Retry-After":
		return time.Duration(seconds) * time.Second
	case err == nil:
		return time.Duration(min(max(seconds, 0), 3600)) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(time.Until(at), 0), time.Hour)
}

func suite(fault string) notifiertest.Suite {
	return notifiertest.Suite{
		New: func(_ testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			return &pigeon{url: url, client: client, fault: fault}
		},
		Destination: stdout.Destination{},
		Accept: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"ring":"DE-0815"}`)
		}),
		Secrets:    []string{secret},
		MaxRequest: 16 << 10,
		Inspect: func(t testing.TB, r *http.Request, body []byte) {
			t.Helper()
			if r.Header.Get("Authorization") == "" || !json.Valid(body) {
				t.Errorf("a bad request: %.100q", body)
			}
		},
	}
}

func TestASoundNotifierPasses(t *testing.T) {
	t.Parallel()
	notifiertest.Run(t, suite(""))
}

// faults are what may be wrong with a notifier, and the case that must find it.
var faults = map[string]string{
	"takes any destination":                  "a_foreign_destination_is_refused",
	"sends without a limit":                  "hostile_text_is_taken",
	"takes a refused connection for unknown": "no_connection_is_retry",
	"takes a broken connection for retry":    "a_broken_connection_is_unknown",
	"follows redirects":                      "redirects_are_not_followed",
	"reads without end":                      "an_endless_answer_is_not_read",
	"takes 503 for permanent":                "every_status_has_its_verdict",
	"repeats the answer":                     "secrets_stay_secret",
	"keeps what it is told":                  "secrets_stay_secret",
	"has errors of many lines":               "every_status_has_its_verdict",
	"believes any Retry-After":               "Retry-After_in_all_its_forms",
	"lingers after a cancel":                 "cancel_ends_a_send_at_once",
}

const faultVariable = "NOTIFIERTEST_FAULT"

// TestFaulty is no test: TestFaultsAreFound runs it in a process of its own, where it fails.
func TestFaulty(t *testing.T) {
	fault := os.Getenv(faultVariable)
	if fault == "" {
		t.Skip("only run by TestFaultsAreFound")
	}
	notifiertest.Run(t, suite(fault))
}

func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for fault, found := range faults {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFaulty$/^"+found+"$")
		cmd.Env = append(os.Environ(), faultVariable+"="+fault)
		out, err := cmd.CombinedOutput()
		require.Error(t, err, "a notifier that %s passed", fault)
		require.Contains(t, string(out), "--- FAIL: TestFaulty/"+found, fault)
		require.NotContains(t, string(out), "panic:", fault)
	}
}

func TestDefaultVerdict(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]notifier.Verdict{
		100: notifier.Unknown, 200: notifier.Unknown, 204: notifier.Unknown, 302: notifier.Permanent, 400: notifier.Permanent,
		404: notifier.Permanent, 408: notifier.Unknown, 425: notifier.Retry, 429: notifier.Retry, 500: notifier.Unknown, 599: notifier.Unknown,
	} {
		require.Equal(t, want, notifiertest.DefaultVerdict(status), "%d", status)
	}
}

func TestHostileTextsAreHostile(t *testing.T) {
	t.Parallel()
	all := strings.Join(notifiertest.HostileTexts(), "\n")
	for _, part := range []string{"<!channel>", "&#64;channel", "```", "\u202e", "\x1b[", "\r\nBcc:", "<script>", "{{"} {
		require.Contains(t, all, part)
	}
	require.Greater(t, len(all), 1<<20)
}
