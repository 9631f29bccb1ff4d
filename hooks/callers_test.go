package hooks_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/hooks"
)

// from is a call that comes from an address.
func from(r *http.Request, address string, forwarded ...string) *http.Request {
	r.RemoteAddr = net.JoinHostPort(address, "4711")
	for _, hop := range forwarded {
		r.Header.Add("X-Forwarded-For", hop)
	}
	return r
}

// stranger calls without a signature.
func (w *world) stranger(body io.Reader, address string, forwarded ...string) int {
	answer := w.do(from(httptest.NewRequest(http.MethodPost, path, body), address, forwarded...))
	if answer.Code == http.StatusTooManyRequests && answer.Header().Get("Retry-After") == "" {
		w.t.Error("it does not say when to come again")
	}
	return answer.Code
}

// service calls with the connection's signature.
func (w *world) service(id, address string, forwarded ...string) int {
	w.t.Helper()
	return w.do(from(w.request(path, "mail", "["+event(id, "d1", "open")+"]"), address, forwarded...)).Code
}

// flood has strangers take all that strangers may in a second.
func (w *world) flood() {
	for i := range 100 {
		for range 30 {
			w.stranger(nil, fmt.Sprint("203.0.113.", i))
		}
	}
	require.Equal(w.t, http.StatusTooManyRequests, w.stranger(nil, "203.0.113.200"))
}

// still runs a test while no time passes.
func still(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

func TestOneStrangerIsBoundedByItself(t *testing.T) {
	still(t, oneStranger)
}

func oneStranger(t *testing.T, w *world) {
	w.send("d1", "mail")
	let := 0
	for range 1000 {
		if w.stranger(nil, "203.0.113.1") == http.StatusForbidden {
			let++
		}
	}
	require.Equal(t, 20, let)
	time.Sleep(time.Second)
	require.Equal(t, http.StatusForbidden, w.stranger(nil, "203.0.113.1"), "and 10 a second")
	require.Equal(t, http.StatusOK, w.service("1", "198.51.100.7"))
	for i := range 100 { // of one network, behind a proxy
		w.stranger(nil, "10.0.0.1", fmt.Sprint("198.51.100.7, 2001:db8::", i), "10.1.1.1")
	}
	require.Equal(t, http.StatusTooManyRequests, w.stranger(nil, "2001:db8::f"))
	require.Equal(t, http.StatusForbidden, w.stranger(nil, "2001:db8:0:1::f"))
}

func TestStrangersDoNotStarveTheService(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]struct {
		address   string
		forwarded []string
	}{
		"directly":                 {"198.51.100.7", nil},
		"through a proxy":          {"10.0.0.1", []string{"198.51.100.7"}},
		"through two, with a port": {"100.64.3.1", []string{"1.2.3.4, 198.51.100.7:80", "192.168.0.3"}},
		"IPv6":                     {"2001:db8::1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			still(t, func(t *testing.T, w *world) {
				w.send("d1", "mail")
				require.Equal(t, http.StatusOK, w.service("1", at.address, at.forwarded...))
				w.flood()
				require.Equal(t, http.StatusOK, w.service("2", at.address, at.forwarded...))
				require.Equal(t, http.StatusTooManyRequests, w.service("3", "198.51.100.8"), "its other address is not known yet")
				require.Equal(t, http.StatusTooManyRequests, w.stranger(nil, "10.0.0.1", "198.51.100.7, 203.0.113.1"), "what a caller writes itself")
				require.Equal(t, http.StatusTooManyRequests, w.stranger(nil, "10.0.0.1"), "nobody says who")
				require.Equal(t, http.StatusNotFound, w.do(w.request("/hooks/sendgrid/none", "mail", "")).Code, "costs nothing")
			})
		})
	}
}

func TestACallThatIsNotSignedProvesNothing(t *testing.T) {
	still(t, func(t *testing.T, w *world) {
		require.Equal(t, http.StatusForbidden, w.stranger(nil, "198.51.100.7"))
		w.flood()
		require.Equal(t, http.StatusTooManyRequests, w.stranger(nil, "198.51.100.7"))
		time.Sleep(10 * time.Second)
		require.Equal(t, http.StatusForbidden, w.stranger(nil, "203.0.113.99"), "what was not let in takes no slot")
	})
}

func TestAServiceThatCallsNoMoreIsAStrangerAgain(t *testing.T) {
	still(t, func(t *testing.T, w *world) {
		w.send("d1", "mail")
		require.Equal(t, http.StatusOK, w.service("1", "198.51.100.7"))
		time.Sleep(73 * time.Hour)
		w.flood()
		require.Equal(t, http.StatusTooManyRequests, w.service("2", "198.51.100.7"))
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, w.service("2", "198.51.100.7"))
	})
}

// slow is a body that comes when a test lets it.
type slow struct{ end chan struct{} }

func (s slow) Read([]byte) (int, error) {
	<-s.end
	return 0, io.ErrUnexpectedEOF
}

func TestCallsAtATimeAreBounded(t *testing.T) {
	still(t, func(t *testing.T, w *world) {
		w.send("d1", "mail")
		require.Equal(t, http.StatusOK, w.service("1", "198.51.100.7"))
		end := make(chan struct{})
		codes := make(chan int, 100)
		call := func(address string) {
			go func() { codes <- w.stranger(slow{end}, address) }()
			synctest.Wait()
		}
		for range 5 {
			call("203.0.113.1")
		}
		require.Equal(t, http.StatusTooManyRequests, <-codes, "four of one")
		for i := range 12 {
			call(fmt.Sprint("203.0.113.", 2+i))
		}
		require.Empty(t, codes)
		require.Equal(t, http.StatusTooManyRequests, w.stranger(nil, "203.0.113.100"))
		require.Equal(t, http.StatusOK, w.service("2", "198.51.100.7"), "the service has slots of its own")
		close(end)
		for range 16 {
			require.Equal(t, http.StatusBadRequest, <-codes)
		}
		synctest.Wait()
		require.Equal(t, http.StatusForbidden, w.stranger(nil, "203.0.113.100"), "they are free again")
	})
}

// peer is a connection from an address.
type peer struct {
	net.Conn
	address string
}

func (p peer) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(p.address), Port: 1} }

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{dialed: make(chan net.Conn), closed: make(chan struct{})}
		stop := w.run(t, l, hooks.TLS{})
		var last net.Conn
		dial := func(address string) (open bool) {
			ours, theirs := net.Pipe()
			last = ours
			l.dialed <- peer{theirs, address}
			t.Cleanup(func() { _ = ours.Close() })
			closed := make(chan struct{})
			go func() {
				_, _ = io.ReadAll(ours) // until it is closed
				close(closed)
			}()
			synctest.Wait()
			select {
			case <-closed:
				return false
			default:
				return true
			}
		}
		for range 16 {
			require.True(t, dial("203.0.113.1"))
		}
		one := last
		require.False(t, dial("203.0.113.1"))
		require.NoError(t, one.Close())
		synctest.Wait()
		require.True(t, dial("203.0.113.1"))
		require.True(t, dial("203.0.113.2"))
		for range 20 {
			require.True(t, dial("10.0.0.1"), "a proxy's are for all whom it serves")
		}
		stop()
	})
}
