package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Check reads the secrets, and reaches the connection's own URL without sending it anything: there is no request that
// every receiver takes for none, and some take any for a message. So it connects, with TLS where the URL says so, and
// leaves; behind a proxy it goes as far as the proxy. Discord alone can be asked about a webhook, and is.
func (n *Notifier) Check(ctx context.Context) error {
	l, err := n.line()
	switch {
	case err != nil:
		return notifier.Permanent.Errorf("webhook: %w", err)
	case l.url == nil:
		return nil // tasks say where
	case n.config.Format == formatDiscord:
		return n.forbidden(exchange.Reading(n.ask(ctx, l)))
	}
	if err := l.reach(ctx); err != nil {
		return n.forbidden(exchange.Reading(l.Way().Failed(err)))
	}
	return nil
}

// ask gets the webhook's name and channel: https://discord.com/developers/docs/resources/webhook#get-webhook-with-token
func (n *Notifier) ask(ctx context.Context, l *line) error {
	to := *l.url
	discordVersion(&to)
	to.RawQuery = ""
	answer, err := l.Do(ctx, http.MethodGet, to.String(), l.header.Clone(), "")
	if err != nil {
		return err
	}
	if verdict := exchange.VerdictOf(answer.Status); verdict != notifier.Delivered {
		return n.refused(l, verdict, answer)
	}
	return nil
}

// reach connects to the URL's host as the line's client does, and closes the connection.
func (l *line) reach(ctx context.Context) error {
	transport, ok := l.Client.Transport.(*http.Transport)
	if !ok {
		return errors.New("the HTTP client does not dial by itself, so that nothing can be checked without a message")
	}
	dial := transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext // as the transport does
	}
	secure, to, proxied, err := l.hop(transport)
	if err != nil {
		return err
	}
	conn, err := dial(ctx, "tcp", address(to))
	if err != nil {
		return err
	}
	defer conn.Close()
	if !secure || proxied {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if transport.TLSClientConfig != nil {
		config = transport.TLSClientConfig.Clone()
	}
	config.ServerName = to.Hostname()
	return tls.Client(conn, config).HandshakeContext(ctx)
}

// hop is where a request goes first.
func (l *line) hop(t *http.Transport) (secure bool, to *url.URL, proxied bool, err error) {
	secure = l.url.Scheme == "https"
	if t.Proxy == nil {
		return secure, l.url, false, nil
	}
	proxy, err := t.Proxy(&http.Request{URL: l.url})
	if err != nil || proxy == nil {
		return secure, l.url, false, err
	}
	return secure, proxy, true, nil
}

func address(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	case u.Scheme == "socks5", u.Scheme == "socks5h":
		port = "1080"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
