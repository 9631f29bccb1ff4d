package slack

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/slack-go/slack"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// maxAnswer bounds what is read of an answer: a full page of history is far smaller.
const maxAnswer = 8 << 20

// call is one use of the API: the library's client, and what its HTTP exchanges showed that the
// library's errors do not tell. A call's requests follow each other.
type call struct {
	api   *slack.Client
	http  *http.Client
	token string

	connected  atomic.Bool // the latest request had a connection: some of it may have arrived
	retryAfter string      // the latest answer's header
	status     int         // the latest answer's; 0 when there was none
}

// call prepares one use of the API with the token as it is now.
func (n *Notifier) call() (*call, error) {
	token, err := n.config.Token.Value()
	if err != nil {
		return nil, notifier.Retry.Errorf("slack: token: %w", err)
	}
	c := &call{http: n.http, token: token}
	c.api = slack.New(token, slack.OptionHTTPClient(c), slack.OptionAPIURL(n.config.base()))
	return c, nil
}

// Do makes one HTTP exchange, and notes how far it got.
func (c *call) Do(req *http.Request) (*http.Response, error) {
	c.connected.Store(false)
	c.status, c.retryAfter = 0, ""
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { c.connected.Store(true) }}
	resp, err := c.http.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return nil, err
	}
	c.status, c.retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	resp.Body = &bounded{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

type bounded struct {
	io.Reader
	io.Closer
}

// strict is the client without redirects: the library sends the token in the body, which a
// redirect would carry elsewhere.
func strict(client *http.Client) *http.Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
