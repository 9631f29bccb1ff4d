// Package notifiertest is the conformance suite that every notifier passes. A notifier's test
// fills in a Suite and calls Run:
//
//	notifiertest.Run(t, notifiertest.Suite{
//		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
//			t.Helper()
//			... // a notifier whose service is at url, "http://127.0.0.1:1234", and which uses client
//		},
//		Destination: &pigeon.Destination{Loft: "north"},
//		Accept:      http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }),
//		Secrets:     []string{"the-api-key"},
//		Verdicts:    map[int]notifier.Verdict{202: notifier.Delivered, 503: notifier.Retry},
//	})
//
// It shows that whatever a service or the network does, a send ends in the right verdict, in
// time, without a panic and without telling a secret.
package notifiertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Suite is what the tests need to know of a notifier. Without Accept it uses no network, and
// only the cases that need none run.
type Suite struct {
	// New returns the notifier under test. Its service is at url, which has no path and no
	// final slash; all its requests go through client.
	New func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier
	// Destination is a valid one.
	Destination notifier.Destination
	// Accept answers the requests of a send as the service does when it takes the message.
	Accept http.Handler
	// Secrets are texts that no error, no receipt and no print of the notifier may hold.
	Secrets []string
	// Verdicts says by HTTP status what a send comes to where it differs from DefaultVerdict.
	// The answer's body is one that the service would not send.
	Verdicts map[int]notifier.Verdict
	// Body is that of those answers; default a page.
	Body string
	// IgnoresRetryAfter: the service has another way to say when to come back.
	IgnoresRetryAfter bool
	// MaxRequest is how large a request may get, in bytes; default 1 MiB.
	MaxRequest int
	// Inspect judges an accepted request with its body, if set.
	Inspect func(t testing.TB, r *http.Request, body []byte)
}

// Run runs the suite as parallel subtests of t.
func Run(t *testing.T, s Suite) {
	t.Helper()
	if s.MaxRequest == 0 {
		s.MaxRequest = 1 << 20
	}
	if s.Body == "" {
		s.Body = "<html>oops\r\n\n"
	}
	t.Run("hostile text is taken", s.hostileText)
	t.Run("sends may be concurrent", s.concurrent)
	t.Run("a foreign destination is refused", s.foreignDestination)
	if s.Accept == nil {
		return
	}
	t.Run("every status has its verdict", s.statuses)
	t.Run("Retry-After in all its forms", s.retryAfter)
	t.Run("redirects are not followed", s.redirects)
	t.Run("no connection is retry", s.noConnection)
	t.Run("a broken connection is unknown", s.brokenConnection)
	t.Run("a hanging service ends with the time-out", s.hanging)
	t.Run("cancel ends a send at once", s.cancel)
	t.Run("a dripping answer ends with the context", s.dripping)
	t.Run("an endless answer is not read", s.endless)
	t.Run("secrets stay secret", s.secrets)
}

// DefaultVerdict is what an HTTP status comes to, unless Suite.Verdicts says otherwise: 2xx with a
// body that the service would not send may be anything, a redirect or refusal is final, and a
// broken server may have done its work.
func DefaultVerdict(status int) notifier.Verdict {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusTooEarly:
		return notifier.Retry
	case status == http.StatusRequestTimeout, status < 300, status >= 500:
		return notifier.Unknown
	}
	return notifier.Permanent
}

func (s Suite) verdict(status int) notifier.Verdict {
	if v, ok := s.Verdicts[status]; ok {
		return v
	}
	return DefaultVerdict(status)
}

// serve starts a service and returns a notifier that uses it.
func (s Suite) serve(t testing.TB, h http.HandlerFunc) notifier.BaseNotifier {
	t.Helper()
	return s.serveWithin(t, h, 0)
}

// serveWithin does the same with a time-out of the client's.
func (s Suite) serveWithin(t testing.TB, h http.HandlerFunc, timeout time.Duration) notifier.BaseNotifier {
	t.Helper()
	server := httptest.NewServer(h)
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
	})
	return s.New(t, server.URL, &http.Client{Transport: transport, Timeout: timeout})
}

// patience is how long a send may take that should end at once: generous, for loaded machines.
const patience = time.Minute

// send sends the message, and fails the test when that takes too long or the error is unfit for
// people or tells a secret.
func (s Suite) send(ctx context.Context, t testing.TB, n notifier.BaseNotifier, m notifier.Message) (notifier.Receipt, error) {
	t.Helper()
	guarded, stop := context.WithTimeoutCause(ctx, 2*patience, errors.New("the suite's patience ended"))
	defer stop()
	begun := time.Now()
	receipt, err := n.Send(guarded, s.Destination, m)
	if took := time.Since(begun); took > patience {
		t.Errorf("the send took %s", took)
	}
	if err != nil && receipt != nil {
		t.Errorf("a receipt beside an error: %v", receipt)
	}
	s.checkError(t, err)
	s.checkSecrets(t, receipt)
	return receipt, err
}

// checkError fails the test for an error that people could not read or should not see.
func (s Suite) checkError(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if text == "" || utf8.RuneCountInString(text) > 2000 || !utf8.ValidString(text) || text != notifier.Printable(text) || strings.Contains(text, "\n") {
		t.Errorf("an error that is empty, over 2,000 characters long or not printable in one line: %.300q", text)
	}
	s.checkSecrets(t, err)
}

// checkSecrets fails the test when a print of v holds a secret.
func (s Suite) checkSecrets(t testing.TB, v any) {
	t.Helper()
	for _, secret := range s.Secrets {
		for _, format := range []string{"%v", "%+v", "%#v"} {
			if strings.Contains(fmt.Sprintf(format, v), secret) {
				t.Errorf("%s of %T tells a secret", format, v)
			}
		}
	}
}

// want fails the test unless err has the verdict.
func want(t testing.TB, what string, err error, verdict notifier.Verdict) {
	t.Helper()
	if got, _ := notifier.VerdictOf(err); got != verdict {
		t.Errorf("%s: verdict %s, want %s: %v", what, got, verdict, err)
	}
}

// Message is a usual message, for tests of notifiers.
func Message() notifier.Message {
	return notifier.Message{
		Key: "d-0001", Status: notifier.Failure, Title: "train FAILED",
		Facts:  []notifier.Fact{{Name: "Execution", Value: "f1", URL: "https://flyte.example.org/console/f1"}},
		Error:  "ValueError: no such table",
		Links:  []notifier.Link{{Text: "Open in the console", URL: "https://flyte.example.org/console/f1"}},
		Reason: "phase:FAILED", Time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
	}
}

// drain reads the request's body, so that the connection is the answer's alone.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
