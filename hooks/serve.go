package hooks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/flyte-notifier/flyte-notifier/internal/certs"
)

// TLS names the certificate's files, in PEM. Without them calls come without TLS, through a proxy that has it.
type TLS struct {
	Cert string
	Key  string
}

// Serve takes calls on l until ctx ends, and returns nil then: calls under way get some seconds to be recorded. It
// fails at once when the certificate cannot be read; one that is renewed later is taken up with the next connection.
func (s *Server) Serve(ctx context.Context, l net.Listener, t TLS) error {
	l = bind(l)
	if t.Cert != "" {
		config, err := certs.Files{Cert: t.Cert, Key: t.Key}.Config("server.hooks", s.log, "http/1.1")
		if err != nil {
			return errors.Join(fmt.Errorf("serve hooks: %w", err), l.Close())
		}
		l = tls.NewListener(l, config)
	}
	srv := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headersWithin, ReadTimeout: readWithin, WriteTimeout: writtenWithin,
		IdleTimeout: idleFor, MaxHeaderBytes: longestHeaders, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		shutdown(srv)
	})
	err := srv.Serve(l)
	if !stop() {
		<-stopped
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve hooks on %s: %w", l.Addr(), err)
	}
	return nil
}

// shutdown waits for calls under way, but not for ever. What is cut off is not answered, so that the service repeats it.
func shutdown(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close() // nothing more can be done for them
	}
}

// bounded is a listener of which so many connections are open at most, and so many of one address; others wait to be
// accepted, and those of an address that has enough are closed. Those of a proxy are for all whom it serves.
type bounded struct {
	net.Listener
	free   chan struct{}
	once   sync.Once
	closed chan struct{}

	mu   sync.Mutex
	open map[string]int // by address, but for those of proxies
}

func bind(l net.Listener) *bounded {
	return &bounded{Listener: l, free: make(chan struct{}, mostConnections), closed: make(chan struct{}), open: map[string]int{}}
}

// Accept waits for a connection that may be had.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.free <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			<-b.free
			return nil, err
		}
		if from := peerOf(c); b.add(from, 1) {
			return &counted{Conn: c, leave: func() { b.add(from, -1); <-b.free }}, nil
		}
		_ = c.Close() // it has others
	}
}

// add counts the connections of an address. It is false where there are enough.
func (b *bounded) add(from string, n int) bool {
	if from == "" {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.open[from] + n
	if now > mostFromOne {
		return false
	}
	if b.open[from] = now; now == 0 {
		delete(b.open, from)
	}
	return true
}

// peerOf is the address behind a connection; empty: a proxy's, perhaps.
func peerOf(c net.Conn) string {
	a, ok := parseAddress(c.RemoteAddr().String())
	if !ok || private(a) {
		return ""
	}
	return network(a)
}

// Close ends a wait, too.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// counted is a connection that makes room when it closes.
type counted struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close may be called again.
func (c *counted) Close() error {
	defer c.once.Do(c.leave)
	return c.Conn.Close()
}
