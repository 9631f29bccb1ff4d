package app

import (
	"net"
	"net/http"
	"time"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Client is the HTTP client of all notifiers. It follows no redirect, which would carry
// credentials elsewhere, and has no time-out of its own: every send has a deadline.
func Client() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: 256, // as many sends as are under way to one service: else each dials anew
			IdleConnTimeout:     90 * time.Second,
			ForceAttemptHTTP2:   true,
			// All sends to a service share one HTTP/2 connection: without pings, one that a firewall
			// silently dropped would hang every destination until the kernel gives it up.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
		},
	}
}

// ConfigError is a config whose notifiers cannot be made: a secret that is not there, say.
type ConfigError struct{ Problems []notifier.Problem }

// Error lists the problems by path. It shows no secret.
func (e *ConfigError) Error() string { return "invalid config:\n" + config.Problems(e.Problems) }
