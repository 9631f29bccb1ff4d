package smtpsim

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// Step is where in a dialogue a fault happens.
type Step string

// The steps, in their order.
const (
	Greeting Step = "greeting" // before the server says anything
	Hello    Step = "hello"    // EHLO; with STARTTLS the first, in the clear
	Login    Step = "login"
	From     Step = "from"
	To       Step = "to"
	Data     Step = "data" // the mail has begun to come
	End      Step = "end"  // all of it has come
)

// Fault is something that goes wrong at a step instead of an ordinary reply. With neither Hang, Reset nor Drip it is a
// reply of this code; at Greeting there is none, and the connection is closed.
type Fault struct {
	Step    Step
	Address string // only at To: for this recipient; empty: any
	Code    int
	Text    string // with an enhanced code at its beginning, if it shall have one
	Store   bool   // at End: the mail is kept all the same, as when only the reply is lost
	Hang    bool   // never reply: until the server closes
	Reset   bool   // break the connection instead of replying
	Drip    bool   // from here on, replies come byte by byte and never end
	Times   int    // how often it happens; 0 is once, less is always until Heal
}

// Fail makes coming dialogues meet the fault, after those given earlier.
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

// fault is what a step meets: what was given, else what the weather brings.
func (s *Server) fault(step Step, address string, mail []byte) *Fault {
	f := s.take(step, address)
	if f == nil && s.options.Weather != nil {
		f = s.options.Weather(step, mail)
	}
	return f
}

// take returns the next fault that was given for a step, if any, and counts it down.
func (s *Server) take(step Step, address string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Step != step || f.Address != "" && f.Address != address {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		s.met++
		s.note()
		return f
	}
	return nil
}

// meet lets a step meet its fault, and returns what it replies; nil goes on as usual.
func (s *Server) meet(conn net.Conn, f *Fault) error {
	switch {
	case f == nil:
		return nil
	case f.Reset:
		reset(conn)
	case f.Hang:
		<-s.done
	case f.Drip:
		s.drip(conn)
	default:
		return &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.NoEnhancedCode, Message: f.Text}
	}
	return &smtp.SMTPError{Code: closing, EnhancedCode: smtp.NoEnhancedCode, Message: "this reply reaches nobody"}
}

const closing = 421

func reset(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// drip begins a reply that never ends, so that no single read waits long.
func (s *Server) drip(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for text := "250-"; ; text = "x" {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-s.done:
			return
		}
	}
}

// greeter lets connections meet the faults of Greeting.
type greeter struct {
	net.Listener
	server *Server
}

// Accept returns the next connection that meets none.
func (g greeter) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		f := g.server.fault(Greeting, "", nil)
		if f == nil {
			return conn, nil
		}
		go func() {
			_ = g.server.meet(conn, f) // there is no reply before the greeting
			_ = conn.Close()
		}()
	}
}

// Met waits until so many faults have happened, and says whether they have in time.
func (s *Server) Met(count int, patience time.Duration) bool {
	late := time.After(patience)
	for {
		s.mu.Lock()
		met, changed := s.met, s.changed
		s.mu.Unlock()
		if met >= count {
			return true
		}
		select {
		case <-changed:
		case <-late:
			return false
		}
	}
}
