// Package sendgridsim is a SendGrid for tests, the demo and benchmarks: it speaks POST
// /v3/mail/send and GET /v3/scopes over real HTTP, refuses what SendGrid refuses with the same
// errors, keeps the mails, and fails on demand. It sends nothing to anybody.
package sendgridsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxBody is SendGrid's limit on a request, 30 MB.
const maxBody = 30 << 20

// Server is a simulated SendGrid, and an http.Handler. It is safe for concurrent use.
type Server struct {
	key  string
	http *http.Server
	url  string
	done chan struct{} // closed by Close, so that hanging requests end

	mu       sync.Mutex
	mails    []Mail
	faults   []*Fault
	scopes   []string
	requests int
	changed  chan struct{} // closed and replaced whenever something arrives
}

// New starts a server on a loopback port that accepts this API key. It panics when it cannot
// listen, as httptest does: nothing useful can follow.
func New(key string) *Server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("sendgridsim: listen: %v", err))
	}
	s := &Server{
		key:     key,
		url:     "http://" + listener.Addr().String(),
		done:    make(chan struct{}),
		scopes:  []string{"mail.send", "sender_verification_eligible"},
		changed: make(chan struct{}),
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("sendgridsim: serve: %v", err))
		}
	}()
	return s
}

// URL is the server's address, without a path: what a connection's `host` takes.
func (s *Server) URL() string { return s.url }

// Close stops the server, and ends requests that hang. It must be called once.
func (s *Server) Close() {
	close(s.done)
	_ = s.http.Close() // only listeners and connections that nobody needs any more
}

// Mails returns the mails accepted so far, in order.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Requests returns how many sends were tried, faults and refusals among them.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// WaitMails returns once n mails were accepted, or with the context's error and those that were.
func (s *Server) WaitMails(ctx context.Context, n int) ([]Mail, error) {
	return s.wait(ctx, func() bool { return len(s.mails) >= n })
}

// WaitRequests returns once n sends were tried, or with the context's error.
func (s *Server) WaitRequests(ctx context.Context, n int) error {
	_, err := s.wait(ctx, func() bool { return s.requests >= n })
	return err
}

func (s *Server) wait(ctx context.Context, enough func() bool) ([]Mail, error) {
	for {
		s.mu.Lock()
		ok, changed, mails := enough(), s.changed, slices.Clone(s.mails)
		s.mu.Unlock()
		if ok {
			return mails, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return mails, fmt.Errorf("wait for mails: %w", ctx.Err())
		}
	}
}

// SetScopes replaces what the API key may do; without "mail.send" sends are refused with 403.
func (s *Server) SetScopes(scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = slices.Clone(scopes)
}

// ServeHTTP answers as SendGrid's API does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := r.Method + " " + r.URL.Path
	switch {
	case r.URL.Path != "/v3/mail/send" && r.URL.Path != "/v3/scopes":
		refuse(w, http.StatusNotFound, apiError{Message: "not found"})
	case r.Header.Get("Authorization") != "Bearer "+s.key:
		refuse(w, http.StatusUnauthorized, apiError{Message: "The provided authorization grant is invalid, expired, or revoked"})
	case route == "GET /v3/scopes":
		s.listScopes(w, r)
	case route == "POST /v3/mail/send":
		s.send(w, r)
	default:
		refuse(w, http.StatusMethodNotAllowed, apiError{Message: "method not allowed"})
	}
}

func (s *Server) listScopes(w http.ResponseWriter, r *http.Request) {
	if f := s.take(true); f != nil {
		s.fail(w, r, f)
		return
	}
	s.mu.Lock()
	scopes := slices.Clone(s.scopes)
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"scopes": scopes})
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	mail, problem := s.receive(w, r)
	if f := s.take(false); f != nil {
		if f.Store && problem == nil {
			s.store(mail)
		}
		s.fail(w, r, f)
		return
	}
	if problem != nil {
		refuse(w, problem.status, problem.errors...)
		return
	}
	if mail.Sandbox { // checked as any other, and then dropped
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Header().Set("X-Message-Id", s.store(mail))
	w.WriteHeader(http.StatusAccepted)
}

// receive reads and checks one send, and counts it.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (Mail, *refusal) {
	mail, problem := readMail(http.MaxBytesReader(w, r.Body, maxBody), r.Header.Get("Content-Type"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.notify()
	if !slices.Contains(s.scopes, "mail.send") {
		return mail, &refusal{http.StatusForbidden, []apiError{{Message: "access forbidden"}}}
	}
	return mail, problem
}

// store keeps the mail and returns its id.
func (s *Server) store(m Mail) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.ID = "sim-" + strconv.Itoa(len(s.mails)+1)
	s.mails = append(s.mails, m)
	s.notify()
	return m.ID
}

// notify wakes whoever waits. The caller holds mu.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody to tell
}
