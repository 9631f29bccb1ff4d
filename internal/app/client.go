package app

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// Deps is what the notifiers of a program share: its HTTP clients.
func Deps() notifier.Deps {
	open := transport(nil)
	open.Proxy = http.ProxyFromEnvironment
	return notifier.Deps{
		HTTP:    client(open),
		Guarded: client(transport(guard(ssrf.New()))),
		Private: client(transport(guard(private()))),
	}
}

// client follows no redirect, which would carry credentials elsewhere, or a guarded request inside. It has no
// time-out of its own: every send has a deadline.
func client(t *http.Transport) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     t,
	}
}

// control is asked about each address that a name led to, before the connection is made: so a name that leads
// elsewhere from one look-up to the next is no way around it.
type control func(network, address string, c syscall.RawConn) error

func transport(asked control) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: asked}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 256, // as many sends as are under way to one service: else each dials anew
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		// All sends to a service share one HTTP/2 connection: without pings, one that a firewall
		// silently dropped would hang every destination until the kernel gives it up.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// private lets private and loopback addresses through as well, and any port.
func private() *ssrf.Guardian {
	all := func(texts ...string) (prefixes []netip.Prefix) {
		for _, text := range texts {
			prefixes = append(prefixes, netip.MustParsePrefix(text))
		}
		return prefixes
	}
	return ssrf.New(ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(all("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")...),
		ssrf.WithAllowedV6Prefixes(all("::1/128", "fc00::/7")...))
}

// metadata is where EC2 keeps its metadata service beside 169.254.169.254: among the private addresses.
const metadata = "fd00:ec2::254"

// guard forbids what is not on the public internet (private, loopback, link-local and reserved addresses, the cloud's
// metadata service among them) and ports other than 80 and 443, unless the guardian says otherwise.
func guard(guardian *ssrf.Guardian) control {
	return func(network, address string, c syscall.RawConn) error {
		if err := guardian.Safe(network, address, c); err != nil {
			return fmt.Errorf("%w: %w", notifier.ErrForbiddenAddress, err)
		}
		if host, _, err := net.SplitHostPort(address); err != nil || host == metadata {
			return fmt.Errorf("%w: the cloud's metadata service", notifier.ErrForbiddenAddress)
		}
		return nil
	}
}

// ConfigError is a config whose notifiers cannot be made: a secret that is not there, say.
type ConfigError struct{ Problems []notifier.Problem }

// Error lists the problems by path. It shows no secret.
func (e *ConfigError) Error() string { return "invalid config:\n" + config.Problems(e.Problems) }
