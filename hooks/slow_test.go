package hooks_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/hooks"
)

// pipes is a listener whose connections are pipes, so that a test's clock holds for them.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// run runs the server on a listener until stop is called.
func (w *world) run(t *testing.T, l net.Listener, files hooks.TLS) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(ctx, l, files) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func TestSlowCallersAreCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		sends string
		after time.Duration
		gets  string
	}{
		"nothing":       {"", 5 * time.Second, ""},
		"half a header": {"POST " + path + " HTTP/1.1\r\nHost: x\r\n", 5 * time.Second, ""},
		"half a body":   {"POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[", 3 * time.Second, "HTTP/1.1 400 "},
		"of no length":  {"POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[", 3 * time.Second, "HTTP/1.1 400 "},
		"much":          {"POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n[", 11 * time.Second, "HTTP/1.1 400 "},
		"a huge header": {"POST " + path + " HTTP/1.1\r\nHost: x\r\nX: " + string(make([]byte, 1<<15)), 0, "HTTP/1.1 4"},
		"nothing more":  {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 30 * time.Second, "HTTP/1.1 404 "},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &pipes{dialed: make(chan net.Conn), closed: make(chan struct{})}
			stop := w.run(t, l, hooks.TLS{})
			ours, theirs := net.Pipe()
			l.dialed <- theirs
			begin := time.Now()
			go func() { _, _ = io.WriteString(ours, c.sends) }() // it is cut off, perhaps
			got, err := io.ReadAll(ours)
			require.NoError(t, err, name)
			require.Less(t, time.Since(begin), c.after+time.Second, name)
			require.GreaterOrEqual(t, time.Since(begin), c.after, name)
			require.Contains(t, string(got), c.gets, name)
			require.NoError(t, ours.Close())
			stop()
		})
	}
}
