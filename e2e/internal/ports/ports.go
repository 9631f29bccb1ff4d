// Package ports hands out loopback ports for processes that must be told their port, and that
// keep it over a restart.
package ports

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// The ports handed out lie below every system's ephemeral range, so that no outgoing connection
// takes one while its process is down. Two runs at once start at different places.
const (
	first = 10000
	count = 20000
)

// Allocator hands out each port once.
type Allocator struct{ next atomic.Int64 }

// New returns an allocator for this process.
func New() *Allocator {
	a := &Allocator{}
	a.next.Store(int64(os.Getpid()) * 97)
	return a
}

// Port returns a port of 127.0.0.1 that is free now.
func (a *Allocator) Port(t testing.TB) int {
	t.Helper()
	for range count {
		port := first + int(a.next.Add(1)%count)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatalf("free port %d: %v", port, err)
		}
		return port
	}
	t.Fatal("no free port")
	return 0
}

// Address is Port as an address to listen on or dial.
func (a *Allocator) Address(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", a.Port(t))
}
