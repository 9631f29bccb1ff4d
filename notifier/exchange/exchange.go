// Package exchange is what notifiers of services that speak HTTP share: how far a request got, what the answer's
// status comes to, how long the service wants to be left alone, and errors that hold no secret.
package exchange

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// secretMark stands in a text where a secret was.
const secretMark = "<secret>"

// Service is one service as one connection calls it.
type Service struct {
	Name    string      // begins every error: "sendgrid"
	Secrets []string    // what no error shows: the token, or all of a URL that is one
	Most    int64       // bytes read of an answer; 0: 256 KiB
	Header  http.Header // of PostJSON's requests, beside Content-Type
	Client  *http.Client
}

// Way is one use of a service: its requests follow each other. It notes how the latest went, which libraries do not
// tell.
type Way struct {
	Service
	connected atomic.Bool // the latest request had a connection: some of it may have arrived
	latest    atomic.Pointer[head]
}

// head is an answer without its body.
type head struct {
	status int
	header http.Header
}

// Way begins one use.
func (s Service) Way() *Way { return &Way{Service: s} }

// HTTP is the client for a library to make the way's requests with. It follows no redirect, which would carry
// credentials elsewhere, and bounds what is read of an answer.
func (w *Way) HTTP() *http.Client {
	own := *w.Client
	own.Transport = w
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// RoundTrip makes one request through the client's own transport.
func (w *Way) RoundTrip(r *http.Request) (*http.Response, error) {
	const most = 256 << 10
	w.connected.Store(false)
	w.latest.Store(nil)
	transport := w.Client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { w.connected.Store(true) }}
	answer, err := transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return nil, err
	}
	limit := w.Most
	if limit == 0 {
		limit = most
	}
	answer.Header.Del("Location") // which the client reads, and may fail to, before it asks whether to follow it
	answer.Body = bounded{io.LimitReader(answer.Body, limit), answer.Body}
	w.latest.Store(&head{answer.StatusCode, answer.Header})
	return answer, nil
}

type bounded struct {
	io.Reader
	io.Closer
}

// Status is the latest answer's, 0 when there was none.
func (w *Way) Status() int {
	if latest := w.latest.Load(); latest != nil {
		return latest.status
	}
	return 0
}

// Wait is how long the latest answer asks to be left alone.
func (w *Way) Wait() time.Duration {
	if latest := w.latest.Load(); latest != nil {
		return Wait(latest.status, latest.header, time.Now())
	}
	return 0
}

// Connected says whether any of the latest request can have arrived.
func (w *Way) Connected() bool { return w.connected.Load() }

// Answer is what a service answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most Service.Most bytes, fewer when it broke off
}

// Do makes one request. An error is classified: Retry when nothing can have arrived, Permanent for an address that
// must not be reached, else Unknown. An answer whose body breaks off is one.
func (s Service) Do(ctx context.Context, method, address string, header http.Header, body string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return Answer{}, notifier.Permanent.Errorf("%s: %w", s.Name, s.Scrub(err))
	}
	r.Header = header
	way := s.Way()
	answer, err := way.HTTP().Do(r)
	if err != nil {
		return Answer{}, way.Failed(err)
	}
	defer answer.Body.Close()
	read, _ := io.ReadAll(answer.Body) // the status says what came of the request, whatever its text
	return Answer{Status: answer.StatusCode, Header: answer.Header, Body: read}, nil
}

// Failed classifies the error of a request that got no answer.
func (w *Way) Failed(err error) error {
	switch {
	case errors.Is(err, notifier.ErrForbiddenAddress):
		return notifier.Permanent.Errorf("%s: %w", w.Name, w.Scrub(err))
	case !w.Connected():
		return notifier.Unavailable(notifier.Retry.Errorf("%s: %w", w.Name, w.Scrub(err)))
	}
	return notifier.Unavailable(notifier.Unknown.Errorf("%s: no answer: %w", w.Name, w.Scrub(err)))
}

// Scrub is an error of an HTTP client or a library fit to be shown: without the URL, which may be a secret, and
// without whatever of an answer holds one. errors.Is and errors.AsType see the causes all the same.
func (s Service) Scrub(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	if shown := s.Quote(err.Error(), 300); shown != err.Error() {
		return scrubbed{shown, err}
	}
	return err
}

// scrubbed is an error whose own text is not fit to be shown.
type scrubbed struct {
	shown string
	cause error
}

// Error is what may be shown.
func (e scrubbed) Error() string { return e.shown }

// Unwrap is the cause, for comparisons alone: its text may hold a secret.
func (e scrubbed) Unwrap() error { return e.cause }

// Quote is text of the service's own as an error may show it: on one line, of at most so many characters, and without
// secrets: looked for when the text is as it will be shown, and the longest first, lest a part of one tear it.
func (s Service) Quote(text string, most int) string {
	text = notifier.OneLine(text)
	for _, secret := range longestFirst(s.Secrets) {
		text = strings.ReplaceAll(text, secret, secretMark)
		text = strings.ReplaceAll(text, notifier.OneLine(secret), secretMark)
	}
	return notifier.Cut(text, most)
}

// longestFirst are the texts but for empty ones, the longest first.
func longestFirst(all []string) []string {
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return notifier.OneLine(s) == "" })
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	return slices.Compact(all)
}
