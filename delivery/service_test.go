package delivery_test

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// place is the destination of the fake service.
type place struct {
	Channel string `json:"channel"`
	ID      string `json:"id"`
	Subject string `json:"subject,omitempty"` // of one message
}

func (p *place) Validate() []notifier.Problem {
	if p.Channel == "" {
		return []notifier.Problem{{Path: "channel", Text: "required"}}
	}
	return nil
}

// Host is that of a channel such as "host/name".
func (p *place) Host() string {
	host, _, ok := strings.Cut(p.Channel, "/")
	if !ok {
		return ""
	}
	return host
}

func (p *place) Address() string                       { return p.Channel }
func (p *place) Addresses() []string                   { return []string{p.Channel} }
func (p *place) WithID(id string) notifier.Destination { return &place{p.Channel, id, p.Subject} }
func (p *place) Gathered() notifier.Destination        { return &place{p.Channel, p.ID, ""} }

// service is a chat service whose behavior a test scripts.
type service struct {
	mu    sync.Mutex
	local string // a channel whose messages never get as far as the service
	posts []post
	send  func(ctx context.Context, p *place, m notifier.Message) error // before the post is stored
	after func(ctx context.Context, p *place, m notifier.Message) error // after it was
	looks int
	look  error
	found map[string]int // posts by key
	names func(p *place) (notifier.Resolved, error)
}

type post struct {
	channel, id, title, key string
	at                      time.Time
	subject                 string
}

func (s *service) Send(ctx context.Context, d notifier.Destination, m notifier.Message) (notifier.Receipt, error) {
	p := d.(*place)
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && s.local != p.Channel {
		trace.GetConn("chat:443") // as net/http does
	}
	if s.send != nil {
		if err := s.send(ctx, p, m); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.posts = append(s.posts, post{p.Channel, p.ID, m.Title, m.Key, time.Now(), p.Subject})
	if s.found == nil {
		s.found = map[string]int{}
	}
	s.found[m.Key]++
	n := len(s.posts)
	s.mu.Unlock()
	if s.after != nil {
		if err := s.after(ctx, p, m); err != nil {
			return nil, err
		}
	}
	return notifier.Receipt{"ts": fmt.Sprint(n)}, nil
}

func (s *service) sent() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// times is how often a message arrived.
func (s *service) times(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found[key]
}

// lands makes a message arrive whose caller has gone.
func (s *service) lands(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		s.found = map[string]int{}
	}
	s.found[key]++
}

// asked is how often the service was asked whether a message arrived.
func (s *service) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}

// tally counts what a script was asked, and when, from whatever goroutine.
type tally struct {
	mu sync.Mutex
	at []time.Time
}

// note counts one more, and returns how many there are.
func (t *tally) note() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = append(t.at, time.Now())
	return len(t.at)
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.at)
}

// times are when they were noted.
func (t *tally) times() []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.at)
}

// lookable adds the look-up to a service.
type lookable struct{ *service }

func (s lookable) Look(_ context.Context, _ notifier.Destination, key string, _ time.Time) (notifier.Receipt, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return notifier.Receipt{"ts": "looked"}, s.found[key] > 0, s.look
}

// resolving adds exact names to a service.
type resolving struct{ *service }

func (s resolving) Resolve(_ context.Context, d notifier.Destination) (notifier.Resolved, error) {
	return s.names(d.(*place))
}

func manifest() notifier.Manifest {
	return notifier.Manifest{
		Kind: "chat", Destination: func() notifier.Destination { return &place{} }, Config: func() any { return &struct{}{} },
		New: func(any, notifier.Deps) (notifier.BaseNotifier, error) { return nil, nil },
	}
}
