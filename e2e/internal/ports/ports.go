// Package ports hands out loopback addresses for servers that must be told where to listen, and
// that keep their place over a restart.
package ports

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The ports handed out lie below every system's ephemeral range, so that no outgoing connection
// takes one while its server is down.
const (
	first = 10000
	count = 20000
)

// Allocator hands out each address once.
type Allocator struct {
	host string
	next atomic.Int64
}

// New returns an allocator for this process.
func New() *Allocator {
	a := &Allocator{host: host(os.Getpid())}
	a.next.Store(int64(os.Getpid()) * 97) // where all share one host, two runs at once start apart
	return a
}

// host is a loopback host of the process's own where the whole of 127.0.0.0/8 is loopback.
func host(pid int) string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
}

// Address returns a "host:port" of loopback where nobody listens. It asks by dialing: a listener of
// its own, though closed, could live on for a moment in a child process that was just forked.
func (a *Allocator) Address(t testing.TB) string {
	t.Helper()
	for range count {
		address := net.JoinHostPort(a.host, strconv.FormatInt(first+a.next.Add(1)%count, 10))
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return address
		}
		if err == nil {
			_ = conn.Close() // somebody else's server: nothing was said
		}
	}
	t.Fatal("no free port")
	return ""
}
