package delivery

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// called notes whether a notifier turned to its service: a message that it refuses by itself, for its length or
// because a secret cannot be read, says nothing of the service, though the error is like one that the service gave.
type called struct{ done atomic.Bool }

// during returns a context that notes connections that are made, or taken up again, with it. All libraries do so
// through net/http or net.Dialer.
func (c *called) during(ctx context.Context) context.Context {
	note := func() { c.done.Store(true) }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { note() },
		DNSStart:     func(httptrace.DNSStartInfo) { note() },
		ConnectStart: func(string, string) { note() },
	})
}
