package sendgridsim

import (
	"net"
	"net/http"
)

// Fault is something that goes wrong instead of an ordinary answer. With neither Status, Hang nor
// Reset it does nothing but keep the mail if Store says so, and the answer is a 500.
type Fault struct {
	Status  int               // answer this status
	Headers map[string]string // with these headers
	Body    string            // and this body; empty is an errors list as SendGrid's
	Store   bool              // the mail is kept all the same, as when only the answer is lost
	Hang    bool              // never answer: until the client goes away or the server closes
	Reset   bool              // break the connection instead of answering
	Times   int               // how many requests it meets; 0 is one, less is every one until Heal
	Scopes  bool              // meets requests to /v3/scopes instead of sends
}

// Fail makes coming requests meet the fault, after those given earlier.
func (s *Server) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal drops every fault.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// take returns the next fault for such a request, if any, and counts it down.
func (s *Server) take(scopes bool) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Scopes != scopes {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		return f
	}
	return nil
}

// fail answers, or does not, as the fault says.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *Fault) {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
		panic(http.ErrAbortHandler)
	case f.Reset:
		reset(w)
		return
	}
	for name, value := range f.Headers {
		w.Header().Set(name, value)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if f.Body == "" {
		refuse(w, status, apiError{Message: http.StatusText(status)})
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(f.Body)) // the client went away: nobody to tell
}

// reset breaks the connection so that the client sees a reset, not an orderly end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // at worst the client sees an orderly end
	}
	_ = conn.Close()
}
