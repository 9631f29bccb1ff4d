package notifiertest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// noConnection shows that what certainly never left is told apart.
func (s Suite) noConnection(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"refused":      &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		"unknown host": &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}},
		"unreachable":  &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH},
	} {
		dial := func(context.Context, string, string) (net.Conn, error) { return nil, cause }
		n := s.New(t, "http://127.0.0.1:9", &http.Client{Transport: &http.Transport{DialContext: dial}})
		_, err := s.send(t.Context(), t, n, Message())
		want(t, name, err, notifier.Retry)
	}
}

// brokenConnection breaks it off at each step of an exchange.
func (s Suite) brokenConnection(t *testing.T) {
	t.Parallel()
	steps := map[string]http.HandlerFunc{
		"reset before the body is read": func(w http.ResponseWriter, _ *http.Request) { reset(w, "") },
		"reset after the body":          func(w http.ResponseWriter, r *http.Request) { drain(r); reset(w, "") },
		"closed after the body":         func(w http.ResponseWriter, r *http.Request) { drain(r); raw(w, "") },
		"reset within the headers":      func(w http.ResponseWriter, r *http.Request) { drain(r); reset(w, "HTTP/1.1 200 OK\r\nConte") },
		"not HTTP":                      func(w http.ResponseWriter, r *http.Request) { drain(r); raw(w, "220 mail.example.org ESMTP\r\n\r\n") },
	}
	for name, h := range steps {
		_, err := s.send(t.Context(), t, s.serve(t, h), Message())
		want(t, name, err, notifier.Unknown)
	}
	cut := func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"ok\":tr")
	}
	_, err := s.send(t.Context(), t, s.serve(t, cut), Message())
	want(t, "answer cut short", err, s.verdict(http.StatusOK))
}

// reset writes the text and resets the connection.
func reset(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = conn.Write([]byte(text)) // the caller may be gone
	if tcp, ok := conn.(*net.TCPConn); ok && text == "" {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// late fails the test unless err is what running out of time comes to: unknown once the request
// may have arrived, and on a machine too loaded to connect in time retry is right as well.
func late(t testing.TB, what string, err error, arrived bool, verdict notifier.Verdict) {
	t.Helper()
	if got, _ := notifier.VerdictOf(err); !arrived && got == notifier.Retry {
		return
	}
	want(t, what, err, verdict)
}

// hanging shows that the client's own time-out ends a send whose context has none.
func (s Suite) hanging(t *testing.T) {
	t.Parallel()
	var arrived atomic.Bool
	n := s.serveWithin(t, func(_ http.ResponseWriter, r *http.Request) {
		drain(r)
		arrived.Store(true)
		<-r.Context().Done()
	}, 200*time.Millisecond)
	_, err := s.send(t.Context(), t, n, Message())
	late(t, "time-out after the body", err, arrived.Load(), notifier.Unknown)

	deaf, err := net.Listen("tcp", "127.0.0.1:0") // it connects, and nobody ever reads
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.Close() }()
	n = s.New(t, "http://"+deaf.Addr().String(), &http.Client{Transport: &http.Transport{}, Timeout: 200 * time.Millisecond})
	_, err = s.send(t.Context(), t, n, Message())
	late(t, "time-out of a deaf service", err, false, notifier.Unknown)
}

// promptly is how soon a send ends whose context does. A loaded machine may be slow all the same, but not each time.
const promptly, tries = 100 * time.Millisecond, 10

func (s Suite) cancel(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, tries)
	n := s.serve(t, func(_ http.ResponseWriter, r *http.Request) {
		drain(r)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	least := patience
	for range tries {
		if least = min(least, s.canceled(t, n, arrived)); least < promptly {
			break
		}
	}
	if least >= promptly {
		t.Errorf("of %d sends none returned within %s of the cancel, but after %s at the soonest", tries, promptly, least)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := n.Send(gone, s.Destination, Message()); err == nil {
		t.Error("a send under a canceled context succeeded")
	} else {
		s.checkError(t, err)
	}
}

// canceled makes a send that hangs, cancels it, and says how long it went on.
func (s Suite) canceled(t *testing.T, n notifier.BaseNotifier, arrived <-chan struct{}) time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := n.Send(ctx, s.Destination, Message()); done <- err }()
	select {
	case <-arrived:
	case err := <-done:
		t.Fatalf("the send returned although the service hangs: %v", err)
	}
	begun := time.Now()
	cancel()
	select {
	case err := <-done:
		took := time.Since(begun)
		want(t, "canceled after the body", err, notifier.Unknown)
		s.checkError(t, err)
		return took
	case <-time.After(patience):
		t.Fatal("the send did not return after the cancel")
		return patience
	}
}

// dripping answers byte by byte, so that no read ever waits long.
func (s Suite) dripping(t *testing.T) {
	t.Parallel()
	var arrived atomic.Bool
	n := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		arrived.Store(true)
		_, _ = io.WriteString(w, `{"ok":true,"x":"`)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for http.NewResponseController(w).Flush() == nil {
			select {
			case <-tick.C:
				_, _ = io.WriteString(w, "a")
			case <-r.Context().Done():
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := s.send(ctx, t, n, Message())
	if arrived.Load() {
		want(t, "dripping answer", err, s.verdict(http.StatusOK))
	}
}

// endless answers as long as somebody reads.
func (s Suite) endless(t *testing.T) {
	t.Parallel()
	const most = 32 << 20
	for _, code := range []int{200, 202, 400, 500} {
		var written atomic.Int64
		done := make(chan struct{})
		n := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			drain(r)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"ok":true,"x":"`)
			chunk := strings.Repeat("a", 1<<16)
			for written.Load() <= most {
				k, err := io.WriteString(w, chunk)
				if written.Add(int64(k)); err != nil {
					return
				}
			}
		})
		_, err := s.send(t.Context(), t, n, Message())
		want(t, "endless answer", err, s.verdict(code))
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("the notifier holds on to an answer it does not read")
		}
		if got := written.Load(); got > most {
			t.Fatalf("status %d: %d MiB were read of an answer that has no end", code, got>>20)
		}
	}
}
