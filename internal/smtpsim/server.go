// Package smtpsim is a mail server for tests and chaos: it speaks SMTP with STARTTLS and logging in, keeps the mails,
// and fails on demand. It sends nothing to anybody.
package smtpsim

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/emersion/go-smtp"
)

// Options say what the server is like.
type Options struct {
	Implicit bool   // TLS from the first byte, instead of STARTTLS
	Clear    bool   // no TLS at all
	Username string // who must log in, with the mechanism PLAIN; empty: nobody
	Password string
	// Weather, where there is one, is asked for the fault of each step that none was given for; nil is none. mail is
	// what came, at End only. It must be safe for concurrent use.
	Weather func(step Step, mail []byte) *Fault
}

// Server is a simulated mail server on 127.0.0.1. It is safe for concurrent use.
type Server struct {
	options  Options
	smtp     *smtp.Server
	listener net.Listener
	ca       []byte
	done     chan struct{} // closed by Close, so that hanging steps end

	mu      sync.Mutex
	mails   []Mail
	faults  []*Fault
	begun   int
	met     int           // faults
	changed chan struct{} // closed and replaced whenever a fault has come
}

// New starts a server. It panics when it cannot listen, as httptest does: nothing useful can follow.
func New(o Options) *Server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("smtpsim: listen: %v", err))
	}
	s := &Server{options: o, listener: listener, done: make(chan struct{}), changed: make(chan struct{})}
	secure := s.certify()
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.session))
	s.smtp.Domain, s.smtp.AllowInsecureAuth = "mail.example.org", o.Clear
	s.smtp.ErrorLog = quiet{}
	if !o.Clear && !o.Implicit {
		s.smtp.TLSConfig = secure
	}
	if o.Implicit {
		listener = tls.NewListener(listener, secure)
	}
	go func() {
		if err := s.smtp.Serve(greeter{listener, s}); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			panic(fmt.Sprintf("smtpsim: serve: %v", err))
		}
	}()
	return s
}

// quiet is a log of nothing: what breaks here is meant to.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Port is where the server listens on 127.0.0.1.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// CA is the server's certificate (PEM), which is for 127.0.0.1 and localhost.
func (s *Server) CA() []byte { return s.ca }

// Close stops the server, and ends steps that hang. It must be called once.
func (s *Server) Close() {
	close(s.done)
	_ = s.smtp.Close() // only listeners and connections that nobody needs any more
}

// Mails returns the mails accepted so far, in order.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Transactions returns how many mails were begun (MAIL FROM).
func (s *Server) Transactions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// note tells those who wait that a fault has come. The lock is held.
func (s *Server) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}
