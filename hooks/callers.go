package hooks

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/flyte-notifier/flyte-notifier/internal/memo"
)

// callers has those whose calls were signed come in by a door of their own: whatever strangers do, a service does not
// wait for it. Until its first call it is a stranger as others are, of whom none gets all of the strangers' share.
type callers struct {
	known, strangers *door
	proven           *memo.Memo[time.Time] // when an address last made a call that was signed
	each             *memo.Memo[*door]     // of a stranger's address
}

func newCallers() *callers {
	return &callers{
		known: newDoor(perSecond, burst, mostAtOnce), strangers: newDoor(perSecond, burst, mostAtOnce),
		proven: memo.New[time.Time](mostProven, nil),
		each:   memo.New(mostStrangers, func(string) *door { return newDoor(strangerPerSecond, strangerBurst, strangerAtOnce) }),
	}
}

// enter lets a call in, or not. leave is to be called at its end.
func (c *callers) enter(address string, now time.Time) (leave func(), ok bool) {
	if at, proven := c.proven.Get(address); proven && now.Sub(at) < provenFor {
		return c.known.enter()
	}
	if address == "" {
		return c.strangers.enter()
	}
	outer, ok := c.each.Of(address).enter()
	if !ok {
		return nil, false
	}
	inner, ok := c.strangers.enter()
	if !ok {
		outer()
		return nil, false
	}
	return func() { inner(); outer() }, true
}

// proved notes that a call of the address was signed.
func (c *callers) proved(address string, now time.Time) {
	if address != "" {
		c.proven.Put(address, now)
	}
}

// door lets so many calls in, a second and at a time.
type door struct {
	limit *rate.Limiter
	slots chan struct{}
}

func newDoor(perSecond rate.Limit, burst, atOnce int) *door {
	return &door{limit: rate.NewLimiter(perSecond, burst), slots: make(chan struct{}, atOnce)}
}

func (d *door) enter() (leave func(), ok bool) {
	if !d.limit.Allow() {
		return nil, false
	}
	select {
	case d.slots <- struct{}{}:
		return func() { <-d.slots }, true
	default:
		return nil, false
	}
}

// carrierNAT is what some clouds give to pods.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// addressOf is the caller's address, of IPv6 its network. Behind a proxy, whose own address is a private one, it is what
// the proxies put last into X-Forwarded-For: what stands before that a caller may have written. Empty: nobody says.
func addressOf(r *http.Request) string {
	peer, ok := parseAddress(r.RemoteAddr)
	if !ok {
		return ""
	}
	if !private(peer) {
		return network(peer)
	}
	for _, hop := range slices.Backward(strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")) {
		a, ok := parseAddress(strings.TrimSpace(hop))
		if !ok {
			return ""
		}
		if !private(a) {
			return network(a)
		}
	}
	return ""
}

// parseAddress reads an address with or without a port.
func parseAddress(s string) (netip.Addr, bool) {
	if both, err := netip.ParseAddrPort(s); err == nil {
		return both.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil
}

func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || carrierNAT.Contains(a)
}

// network is an IPv4 address, or the network of an IPv6 one: whoever has one address of it has them all.
func network(a netip.Addr) string {
	const bits = 64
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a.WithZone(""), bits).Masked().String()
}
