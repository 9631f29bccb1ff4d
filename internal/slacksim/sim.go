// Package slacksim is a Slack that behaves as Slack's Web API does, traps included: scopes,
// memberships, cursors, rate limits, metadata that outlives a lost answer. Tests, the demo and
// the end-to-end suite talk to it over real HTTP. It knows nothing of notifiers.
package slacksim

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultToken is a bot token that the simulator takes, with every scope, when Options names none.
const DefaultToken = "xoxb-simulated-0000"

// AllScopes are the bot scopes that the simulated methods ask for.
var AllScopes = []string{
	"chat:write", "chat:write.public", "channels:read", "groups:read", "im:read", "mpim:read",
	"channels:history", "groups:history", "im:history", "mpim:history", "im:write",
	"users:read", "users:read.email", "reactions:read", "reactions:write", "channels:join", "usergroups:read", "files:write",
}

// Options say what the simulated workspace holds. The zero value has one channel, #general.
type Options struct {
	Addr     string              // where to listen; default a free port of 127.0.0.1
	Tokens   map[string][]string // scopes by token; default DefaultToken with AllScopes
	Channels []Channel           // default one channel named general
	Users    []User
	Groups   []UserGroup
	PageSize int // the most a page holds, whatever limit is asked for; default 100
}

// Channel is a conversation. A missing ID is made up.
type Channel struct {
	ID        string
	Name      string // without #; empty for a direct message
	Private   bool
	Archived  bool
	NotMember bool   // the bot has not been invited
	User      string // whom a direct message is with
}

// User is a person who can be written to.
type User struct {
	ID    string // made up when missing
	Name  string
	Email string
}

// UserGroup is a group of people who are mentioned together.
type UserGroup struct {
	ID     string // S...
	Handle string // without @
}

// Message is one that was posted, as it is after it was edited.
type Message struct {
	Channel   string // id
	TS        string // unique in its channel, grain of a microsecond
	ThreadTS  string // of the thread that it is a reply in; empty: it is in the channel
	Broadcast bool   // a reply that the channel shows as well
	Text      string
	Blocks    json.RawMessage
	Metadata  json.RawMessage
	Token     string            // the token it was posted with
	Args      map[string]string // all other arguments of the latest call, as they came
	Posted    time.Time
	Edits     int // how often it was edited
	Reactions []Reaction

	deleted bool // only a mark is left, since it has replies
}

// Sim is a simulated workspace and the server that serves it. It is safe for concurrent use.
type Sim struct {
	server   *http.Server
	addr     string
	pageSize int
	closed   chan struct{}

	mu       sync.Mutex
	tokens   map[string][]string
	channels []*Channel
	users    []User

	userGroups []UserGroup
	files      []File

	messages []Message
	lastTS   int64 // microseconds
	lastPost map[string]time.Time
	every    time.Duration // least time between two messages of a channel
	faults   map[string][]*Fault
	calls    map[string]int
	changed  chan struct{} // closed and replaced whenever something happened
}

// New starts a simulated workspace. Like httptest.NewServer it panics when it cannot listen.
func New(o Options) *Sim {
	s := &Sim{
		tokens: o.Tokens, users: slices.Clone(o.Users), userGroups: slices.Clone(o.Groups), pageSize: o.PageSize,
		closed: make(chan struct{}), changed: make(chan struct{}),
		lastPost: map[string]time.Time{}, faults: map[string][]*Fault{}, calls: map[string]int{},
	}
	if s.tokens == nil {
		s.tokens = map[string][]string{DefaultToken: AllScopes}
	}
	if s.pageSize <= 0 {
		s.pageSize = 100
	}
	for i := range s.users {
		if s.users[i].ID == "" {
			s.users[i].ID = fmt.Sprintf("U%09d", i+1)
		}
	}
	if o.Channels == nil {
		o.Channels = []Channel{{Name: "general"}}
	}
	for _, c := range o.Channels {
		s.AddChannel(c)
	}
	s.listen(o.Addr)
	return s
}

func (s *Sim) listen(addr string) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		panic("slacksim: " + err.Error())
	}
	s.addr = listener.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(listener) }() // it ends with Close
}

// URL is the base of the API, for a connection's api_url.
func (s *Sim) URL() string { return "http://" + s.addr + "/api/" }

// Close stops the server and breaks off what hangs.
func (s *Sim) Close() {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	_ = s.server.Close()
}

// AddChannel adds a channel, and returns it with its id.
func (s *Sim) AddChannel(c Channel) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.ID == "" {
		c.ID = fmt.Sprintf("C%09d", len(s.channels)+1)
	}
	s.channels = append(s.channels, &c)
	return c
}

// ChangeChannel edits the channel of this id or name: archives it, removes the bot.
func (s *Sim) ChangeChannel(channel string, edit func(*Channel)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.find(channel); c != nil {
		edit(c)
	}
}

// SetToken makes a token valid with these scopes; without any it is revoked.
func (s *Sim) SetToken(token string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(scopes) == 0 {
		delete(s.tokens, token)
		return
	}
	s.tokens[token] = scopes
}

// Limit makes the workspace answer 429 to a second message to a channel within d; zero ends it.
func (s *Sim) Limit(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.every = d
}

// Messages returns what was posted and not deleted, oldest first: to the channel of this id or name, or, when it
// is empty, to all of them.
func (s *Sim) Messages(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posted(channel)
}

func (s *Sim) posted(channel string) []Message {
	var found []Message
	c := s.find(channel)
	for _, m := range s.messages {
		if !m.deleted && (channel == "" || c != nil && m.Channel == c.ID) {
			found = append(found, m)
		}
	}
	return found
}

// Await returns the messages of a channel as soon as there are n, or the error of ctx.
func (s *Sim) Await(ctx context.Context, channel string, n int) ([]Message, error) {
	var found []Message
	err := s.wait(ctx, func() bool { found = s.posted(channel); return len(found) >= n })
	if err != nil {
		return found, fmt.Errorf("await %d messages in %q, got %d: %w", n, channel, len(found), err)
	}
	return found, nil
}

// Calls returns how often a method was called, faults included.
func (s *Sim) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// AwaitCalls returns when a method was called n times, or with the error of ctx.
func (s *Sim) AwaitCalls(ctx context.Context, method string, n int) error {
	if err := s.wait(ctx, func() bool { return s.calls[method] >= n }); err != nil {
		return fmt.Errorf("await %d calls of %s: %w", n, method, err)
	}
	return nil
}

func (s *Sim) wait(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := done(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stir wakes all waiters. The caller holds the lock.
func (s *Sim) stir() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// find returns the channel of this id or name, with or without #. The caller holds the lock.
func (s *Sim) find(channel string) *Channel {
	name := strings.TrimPrefix(channel, "#")
	i := slices.IndexFunc(s.channels, func(c *Channel) bool {
		return channel != "" && (c.ID == channel || c.Name != "" && c.Name == name)
	})
	if i < 0 {
		return nil
	}
	return s.channels[i]
}
