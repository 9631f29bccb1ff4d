package app

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
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
		Guarded: client(transport(guard(ssrf.New(wireServer())))),
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
		MaxIdleConnsPerHost: 256,  // as many sends as are under way to one service: else each dials anew
		MaxIdleConns:        1024, // of all that tasks name
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,

		MaxResponseHeaderBytes: 64 << 10,
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
	return ssrf.New(ssrf.WithAnyPort(), wireServer(),
		ssrf.WithAllowedV4Prefixes(all("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")...),
		ssrf.WithAllowedV6Prefixes(all("::1/128", "fc00::/7")...))
}

// wireServer forbids the one public address at which a cloud, Azure, keeps what is for its machines alone:
// https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
func wireServer() ssrf.Option {
	return ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32"))
}

// metadata are the private addresses at which clouds keep metadata and credentials, beside the link-local
// 169.254.0.0/16: those of EC2 and EKS, of Google Cloud, and of Scaleway.
func metadata() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fd20:ce::254/128"), netip.MustParsePrefix("fd00:42::42/128"),
	}
}

// guard forbids what is not on the public internet (private, loopback, link-local and reserved addresses, the cloud's
// metadata service among them) and ports other than 80 and 443, unless the guardian says otherwise.
func guard(guardian *ssrf.Guardian) control {
	inside := metadata()
	return func(network, address string, c syscall.RawConn) error {
		if err := guardian.Safe(network, address, c); err != nil {
			return fmt.Errorf("%w: %w", notifier.ErrForbiddenAddress, err)
		}
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", notifier.ErrForbiddenAddress, err)
		}
		if slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(to.Addr().WithZone("")) }) {
			return fmt.Errorf("%w: the cloud's metadata service", notifier.ErrForbiddenAddress)
		}
		return nil
	}
}

// ConfigError is a config whose notifiers cannot be made: a secret that is not there, say.
type ConfigError struct{ Problems []notifier.Problem }

// Error lists the problems by path. It shows no secret.
func (e *ConfigError) Error() string { return "invalid config:\n" + config.Problems(e.Problems) }
