package sendgrid

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// maxAnswer bounds what is read of an answer; SendGrid's are short.
const maxAnswer = 256 << 10

// exchange is the way of one request: it bounds the answer, which the library reads to its end,
// follows no redirect, which would carry the API key elsewhere, and notes how far the request got.
type exchange struct {
	base      *http.Client
	connected atomic.Bool // there was a connection: some of the request may have arrived
}

func newExchange(base *http.Client) *exchange { return &exchange{base: base} }

func (e *exchange) client() *http.Client {
	own := *e.base
	own.Transport = e
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// RoundTrip makes the request through the base client's transport.
func (e *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	transport := e.base.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { e.connected.Store(true) }}
	answer, err := transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return nil, err
	}
	answer.Body = bounded{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}

type bounded struct {
	io.Reader
	io.Closer
}
