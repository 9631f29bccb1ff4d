package slacksim

import (
	"net"
	"net/http"
	"time"
)

// Any is the method name that Fail and Heal take for every method.
const Any = "*"

// Fault is something that goes wrong with calls of a method. Its parts happen in this order:
// Latency, the call itself when Stored, Hang or Reset, and else the answer.
type Fault struct {
	Times      int           // how many calls it hits; 0 is one, negative all until Heal
	Latency    time.Duration // waits first; with nothing else set the call then goes on as ever
	Stored     bool          // the call is carried out before things go wrong
	Hang       bool          // no answer, until the caller leaves or the simulator is closed
	Reset      bool          // the connection is reset
	Status     int           // the HTTP status; default 200
	RetryAfter string        // the Retry-After header, as it is
	Error      string        // Slack's error code in a well-formed answer
	Body       string        // the body, as it is, instead of a well-formed answer
}

// Fail makes the next calls of a method (chat.postMessage, or Any) fail. Faults of one method
// wait for each other; those of a method go before those of Any.
func (s *Sim) Fail(method string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults[method] = append(s.faults[method], &f)
}

// Heal takes back all faults of a method, or with Any all there are.
func (s *Sim) Heal(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method == Any {
		clear(s.faults)
		return
	}
	delete(s.faults, method)
}

// fault counts a call and returns what shall go wrong with it, or nil.
func (s *Sim) fault(method string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[method]++
	s.stir()
	for _, key := range []string{method, Any} {
		queue := s.faults[key]
		if len(queue) == 0 {
			continue
		}
		f := *queue[0]
		if queue[0].Times--; queue[0].Times == 0 {
			s.faults[key] = queue[1:]
		}
		return &f
	}
	return nil
}

// late waits as the fault wants. It is false when the caller left meanwhile.
func (s *Sim) late(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.closed:
	}
	return false
}

// spoil answers as the fault wants. It is false when the call shall go on as ever.
func (s *Sim) spoil(w http.ResponseWriter, r *http.Request, f *Fault) bool {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		reset(w)
	case f.Reset:
		reset(w)
	case f.Status != 0 || f.Error != "" || f.Body != "" || f.RetryAfter != "":
		f.answer(w)
	default:
		return false
	}
	return true
}

func (f *Fault) answer(w http.ResponseWriter) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	if f.Error != "" {
		reply(w, status, fail(f.Error))
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(f.Body)) // the caller may be gone
}

// reset breaks the connection off, so that the caller sees no orderly end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // no plain connection: breaking the handler off does the same
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
