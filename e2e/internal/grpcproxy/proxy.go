// Package grpcproxy stands between a gRPC client and a server, passes every call through as it
// is, and keeps a record of method, code, duration and messages. While its server is down calls
// wait for it, as with waitForReady; once a test stops the proxy they are refused, as by an endpoint
// without servers. A test can also act at the very moment of an answer.
package grpcproxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Proxy is one recorded way to one server. It is safe for concurrent use.
type Proxy struct {
	address  string
	upstream *grpc.ClientConn

	mu     sync.Mutex
	server *grpc.Server // nil while stopped
	hooks  map[string]Hook
	calls  []Call
}

// Hook is called with an answer of the server before the client sees it. The client waits.
type Hook func(Call)

// New returns a stopped proxy that will listen on one address and pass calls on to another.
func New(address, upstream string) (*Proxy, error) {
	conn, err := grpc.NewClient("passthrough:///"+upstream,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(64<<20), grpc.WaitForReady(true)),
		grpc.WithConnectParams(quickReconnect()))
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", upstream, err)
	}
	return &Proxy{address: address, upstream: conn, hooks: map[string]Hook{}}, nil
}

// Address is where clients reach the proxy.
func (p *Proxy) Address() string { return p.address }

// Start listens. A started proxy stays as it is.
func (p *Proxy) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	l, err := listen(p.address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", p.address, err)
	}
	p.server = grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(p.forward),
		grpc.MaxRecvMsgSize(64<<20))
	go func(s *grpc.Server) { _ = s.Serve(l) }(p.server) // it ends with Stop; a broken listener shows as failing calls
	return nil
}

// listen tries for a while where the address is in use: a child process that was forked while the
// proxy listened before holds the closed socket until it becomes another program.
func listen(address string) (net.Listener, error) {
	for over := time.Now().Add(2 * time.Second); ; {
		l, err := net.Listen("tcp", address)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(over) {
			return l, err
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Stop cuts every connection and refuses new ones until Start.
func (p *Proxy) Stop() {
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		server.Stop()
	}
}

// Close stops the proxy for good.
func (p *Proxy) Close() error {
	p.Stop()
	if err := p.upstream.Close(); err != nil {
		return fmt.Errorf("close the connection to %s: %w", p.upstream.Target(), err)
	}
	return nil
}

// OnAnswer calls the hook at the next successful answer of the method ("CreateTask"), once.
func (p *Proxy) OnAnswer(method string, hook Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks[method] = hook
}
