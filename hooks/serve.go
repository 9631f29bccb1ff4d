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
	"time"
)

// TLS names the certificate's files, in PEM. Without them calls come without TLS, through a proxy that has it.
type TLS struct {
	Cert string
	Key  string
}

// Serve takes calls on l until ctx ends, and returns nil then: calls under way get some seconds to be recorded. It
// fails at once when the certificate cannot be read; one that is renewed later is taken up with the next connection.
func (s *Server) Serve(ctx context.Context, l net.Listener, t TLS) error {
	l = &bounded{Listener: l, free: make(chan struct{}, mostConnections), closed: make(chan struct{})}
	if t.Cert != "" {
		c := &certificate{files: t, log: s.log}
		if _, err := c.current(nil); err != nil {
			return errors.Join(fmt.Errorf("serve hooks: %w", err), l.Close())
		}
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.current, NextProtos: []string{"http/1.1"}})
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

// certificate reads the files at each handshake: they are few. While renewed ones cannot be read (half of a pair,
// say) those before them stay.
type certificate struct {
	files TLS
	log   *slog.Logger

	mu   sync.Mutex
	last *tls.Certificate
	told time.Time
}

func (c *certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	switch {
	case err == nil:
		c.last = &pair
	case c.last == nil:
		return nil, fmt.Errorf("load certificate: %w", err)
	case time.Since(c.told) > time.Minute:
		c.told = time.Now()
		c.log.Error("renewed certificate of server.hooks cannot be used; the one before it stays", "error", err)
	}
	return c.last, nil
}

// bounded is a listener of which so many connections are open at most; others wait to be accepted.
type bounded struct {
	net.Listener
	free   chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a connection that may be had.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.free <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &counted{Conn: c, leave: func() { <-b.free }}, nil
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
