package faults

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/flyte-notifier/flyte-notifier/internal/smtpsim"
)

// book is what one service of a chaos run knows of messages. Their ids are those that tell deliveries apart; a copy is
// what the receiver takes for one and the same message.
type book struct {
	mu    sync.Mutex
	taken map[string]map[string]int // by id and copy: how often it came
	never map[string]bool           // refused for good
	ways  map[string]int            // how often each was met
	odd   []string                  // what the service itself refused, and should not have
}

func newBook() *book {
	return &book{taken: map[string]map[string]int{}, never: map[string]bool{}, ways: map[string]int{}}
}

// took notes a message that was taken. Without a copy the service cannot tell: each is another.
func (b *book) took(id, twin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[id] == nil {
		b.taken[id] = map[string]int{}
	}
	if twin == "" {
		twin = strconv.Itoa(len(b.taken[id]))
	}
	b.taken[id][twin]++
}

func (b *book) refused(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.never[id] = true
}

func (b *book) met(way string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ways[way]++
}

func (b *book) wrong(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.odd = append(b.odd, what)
}

// fake is a service that fails at random, before what it does and after.
type fake struct {
	*book
	kind    string
	weather *weather
	claims  bool // its answer says whether it took a message: another's page does not
	inner   http.Handler
	reads   func(*http.Request) bool                             // whether a request carries no message; nil: none
	tell    func(r *http.Request, body []byte) (id, twin string) // what took takes; nil: the execution's name
	// ambush takes the one who waits for a message that was taken and not yet answered.
	ambush chan struct{}
	url    string
}

// executionName is how executions of a chaos run are called, wherever a message has it.
var executionName = regexp.MustCompile(`run\d{6}`)

// serve starts the service.
func (s *fake) serve(t testing.TB, w *weather) *fake {
	s.book, s.weather, s.ambush = newBook(), w, make(chan struct{})
	if s.tell == nil {
		s.tell = func(_ *http.Request, body []byte) (id, twin string) { return string(executionName.Find(body)), "" }
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// ServeHTTP answers a request as the weather has it.
func (s *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := &meeting{fake: s, w: w, r: r, message: s.reads == nil || !s.reads(r)}
	met := s.meet(m)
	if met.unread {
		met.do(m)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller was killed
	}
	id, twin := s.tell(r, body)
	m.id = id
	m.carry = func() *httptest.ResponseRecorder { return s.carry(m, body, twin) }
	met.do(m)
}

// meet chooses a way to fail, or none.
func (s *fake) meet(m *meeting) way {
	likely := foulReads
	if m.message {
		likely = foulSends
	}
	if !s.weather.foul(likely) {
		return way{do: func(m *meeting) { m.pass(m.carry()) }}
	}
	for {
		met := pick(s.weather, ways()...)
		if met.of == nil || met.of(m) {
			s.met(met.name)
			return met
		}
	}
}

// carry lets the service itself do what it is asked for. Whoever waits in ambush then has the caller killed.
func (s *fake) carry(m *meeting, body []byte, twin string) *httptest.ResponseRecorder {
	m.r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	s.inner.ServeHTTP(answer, m.r)
	if !m.message {
		return answer
	}
	if answer.Code >= 300 || s.kind == "slack" && !bytes.Contains(answer.Body.Bytes(), []byte(`"ok":true`)) || m.id == "" {
		s.wrong(strconv.Itoa(answer.Code) + " " + answer.Body.String() + " to " + string(body))
		return answer
	}
	s.took(m.id, twin)
	select {
	case s.ambush <- struct{}{}:
		<-m.r.Context().Done()
	default:
	}
	return answer
}

// slackReads says which of Slack's methods carry no message.
func slackReads(r *http.Request) bool { return r.URL.Path != "/api/chat.postMessage" }

// slackKey is the delivery's id, which the message's metadata has.
func slackKey(_ *http.Request, body []byte) (id, twin string) {
	form, err := url.ParseQuery(string(body))
	var m struct {
		Payload struct{ Key string } `json:"event_payload"`
	}
	if err != nil || json.Unmarshal([]byte(form.Get("metadata")), &m) != nil {
		return "", ""
	}
	return m.Payload.Key, ""
}

// webhookID is what receivers tell a repeated message by.
func webhookID(r *http.Request, body []byte) (id, twin string) {
	return string(executionName.Find(body)), r.Header.Get("Webhook-Id")
}

// incident is what PagerDuty tells a repeated event by.
func incident(_ *http.Request, body []byte) (id, twin string) {
	var e struct {
		Key    string `json:"dedup_key"`
		Action string `json:"event_action"`
	}
	if json.Unmarshal(body, &e) != nil || e.Key == "" {
		return "", ""
	}
	return string(executionName.Find(body)), e.Action + " " + e.Key
}

// mailServer is the service that speaks SMTP.
type mailServer struct {
	*book
	*smtpsim.Server
	weather *weather
	ambush  chan struct{}
}

func newMailServer(t testing.TB, w *weather) *mailServer {
	m := &mailServer{book: newBook(), weather: w, ambush: make(chan struct{})}
	m.Server = smtpsim.New(smtpsim.Options{Username: mailUser, Password: mailPassword, Weather: m.meet})
	t.Cleanup(m.Close)
	return m
}

// meet chooses the fault of a step, or none: of a mail's seven steps each fails less often than a request does.
func (m *mailServer) meet(step smtpsim.Step, mail []byte) *smtpsim.Fault {
	f := m.fault(step)
	if step != smtpsim.End {
		return f
	}
	id := string(executionName.Find(mail))
	if f != nil && f.Code/100 == 5 {
		m.refused(id)
	}
	if f != nil && !f.Store {
		return f
	}
	m.took(id, "")
	select {
	case m.ambush <- struct{}{}:
		return &smtpsim.Fault{Store: true, Hang: true}
	default:
	}
	return f
}

func (m *mailServer) fault(step smtpsim.Step) *smtpsim.Fault {
	likely := 0.02
	if step == smtpsim.End {
		likely = 0.15
	}
	if !m.weather.foul(likely) {
		return nil
	}
	all := []smtpsim.Fault{{Hang: true}, {Reset: true}, {Drip: true}, {Code: 421}, {Code: 450}, {Code: 451}, {Code: 452}}
	if step == smtpsim.End {
		all = append(all,
			smtpsim.Fault{Hang: true, Store: true}, smtpsim.Fault{Reset: true, Store: true}, smtpsim.Fault{Drip: true, Store: true},
			smtpsim.Fault{Code: 354, Store: true}, smtpsim.Fault{Code: 354}, smtpsim.Fault{Code: 550}, smtpsim.Fault{Code: 554})
	}
	f := pick(m.weather, all...)
	f.Text = "whatever"
	what := strconv.Itoa(f.Code)
	switch {
	case f.Hang:
		what = "hangs"
	case f.Reset:
		what = "reset"
	case f.Drip:
		what = "byte by byte"
	}
	m.met(string(step) + ": " + what)
	return &f
}
