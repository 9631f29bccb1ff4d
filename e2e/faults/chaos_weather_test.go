package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How often a request meets a way of failing: one that carries a message, and one that only reads.
const (
	foulSends = 0.35
	foulReads = 0.20
)

// deaf is how long a service that does not read a request keeps the connection: longer than an attempt takes.
const deaf = 3 * time.Second

// weather decides what goes wrong, by a seed.
type weather struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newWeather(seed uint64) *weather { return &weather{rng: rand.New(rand.NewPCG(seed, seed))} }

// foul says whether something of this likelihood happens.
func (w *weather) foul(likely float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64() < likely
}

func (w *weather) n(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

func pick[T any](w *weather, all ...T) T { return all[w.n(len(all))] }

// meeting is one request to a service that meets a way of failing. The body has been read, but by those that say not.
type meeting struct {
	*fake
	w       http.ResponseWriter
	r       *http.Request
	message bool                              // else it only reads
	id      string                            // of the message
	carry   func() *httptest.ResponseRecorder // out, and returns the service's own answer
}

// way is a way to fail.
type way struct {
	name   string
	unread bool                // it happens before the body is read
	of     func(*meeting) bool // whether it can happen; nil: always
	do     func(*meeting)
}

// ways are those of the notifiers' conformance suite. A service that hides whether it took a message did so half of
// the time; one that says so does not lie.
func ways() []way {
	sends := func(m *meeting) bool { return m.message }
	names := func(m *meeting) bool { return m.claims }
	slack := func(m *meeting) bool { return m.kind == "slack" }
	return []way{
		{name: "hangs before the body is read", unread: true, do: func(m *meeting) { m.wait(deaf); broken(m.w, "", true) }},
		{name: "reset before the body is read", unread: true, do: func(m *meeting) { broken(m.w, "", true) }},
		{name: "hangs after the body", do: func(m *meeting) { m.perhaps(); <-m.r.Context().Done() }},
		{name: "reset after the body", do: func(m *meeting) { m.perhaps(); broken(m.w, "", true) }},
		{name: "closed after the body", do: func(m *meeting) { m.perhaps(); broken(m.w, "", false) }},
		{name: "reset within the headers", do: func(m *meeting) { m.perhaps(); broken(m.w, "HTTP/1.1 200 OK\r\nConte", true) }},
		{name: "not HTTP", do: func(m *meeting) { m.perhaps(); broken(m.w, "220 mail.example.org ESMTP\r\n\r\n", false) }},
		{name: "status that tells nothing", do: func(m *meeting) { m.perhaps(); m.status(m.vague(), "") }},
		{name: "status that says later", do: func(m *meeting) { m.status(m.later(), m.retryAfter()) }},
		{name: "status that refuses", of: sends, do: (*meeting).refuse},
		{name: "another's page", of: names, do: func(m *meeting) { m.perhaps(); m.status(http.StatusOK, "") }},
		{name: "answer cut short", do: func(m *meeting) { a := m.carry(); m.cut(a.Code, a.Body.String()) }},
		{name: "answer byte by byte", do: func(m *meeting) { m.drip(m.carry().Code) }},
		{name: "huge answer", do: func(m *meeting) { m.huge(m.carry().Code) }},
		{name: "unreadable answer", do: func(m *meeting) { m.status(m.carry().Code, "") }},
		{name: "carried out after the caller has gone", of: sends, do: (*meeting).afterwards},
		{name: "late answer", do: func(m *meeting) { a := m.carry(); m.wait(attempt / 2); m.pass(a) }},
		{name: "Slack's code that tells nothing", of: slack, do: func(m *meeting) {
			m.perhaps()
			m.code(pick(m.weather, "internal_error", "fatal_error", "service_unavailable", "request_timeout"))
		}},
		{name: "Slack's code that says later", of: slack, do: func(m *meeting) { m.code("ratelimited") }},
	}
}

// perhaps carries the request out, half of the time.
func (m *meeting) perhaps() {
	if m.weather.foul(0.5) {
		m.carry()
	}
}

// late is how long after the caller has gone a message may still be carried out: less than a look at what became of it
// waits.
const late = 3 * time.Second

// afterwards carries the message out when nobody listens any more.
func (m *meeting) afterwards() {
	<-m.r.Context().Done()
	<-time.After(late)
	m.carry()
}

func (m *meeting) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-m.r.Context().Done():
	}
}

// laterStatuses say that nothing was taken, and that it may be later. SendGrid says that of more.
func (s *fake) laterStatuses() []int {
	all := []int{425, 429, 503}
	if s.kind == "sendgrid" {
		all = append(all, 500, 502, 504)
	}
	return all
}

func (m *meeting) later() int { return pick(m.weather, m.laterStatuses()...) }

// vague is a status after which nobody knows: none that is final, a time-out, or a broken server's. 501 is Slack's
// "there is no such method", which it does not say of those that it has.
func (m *meeting) vague() int {
	var all []int
	for status := 100; status < 600; status++ {
		if (status < 200 || status == 408 || status >= 500 && status != 501) && !slices.Contains(m.laterStatuses(), status) {
			all = append(all, status)
		}
	}
	return pick(m.weather, all...)
}

// refuse answers with a status that says never, redirects among them.
func (m *meeting) refuse() {
	status := 300 + m.weather.n(200)
	if slices.Contains([]int{408, 425, 429}, status) {
		status = http.StatusForbidden
	}
	m.refused(m.id)
	m.status(status, "Location: /elsewhere\r\n")
}

// retryAfter is the wish in one of its forms. None is long: the run shall end.
func (m *meeting) retryAfter() string {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	value := pick(m.weather, "", "0", "1", "2", "1.5", "-5", "soon", date(2*time.Second), date(-time.Hour))
	if value == "" {
		return "X-Ratelimit-Reset: " + strconv.FormatInt(time.Now().Unix()+1, 10) + "\r\n"
	}
	return "Retry-After: " + value + "\r\n"
}

// status answers so, with a body that the service does not have.
func (m *meeting) status(status int, headers string) {
	body := pick(m.weather, "<html>oops", "", "{}", "[]", "null", `"ok"`, "7", `{"ok":`, strings.Repeat("oops ", 1<<18))
	broken(m.w, fmt.Sprintf("HTTP/1.1 %d Whatever\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, headers, len(body), body), false)
}

// code answers as Slack does where it refuses.
func (m *meeting) code(code string) {
	m.w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(m.w, `{"ok":false,"error":%q}`, code) // the caller may be gone, here and below
}

func (m *meeting) cut(status int, body string) {
	broken(m.w, fmt.Sprintf("HTTP/1.1 %d OK\r\nContent-Length: 100000\r\n\r\n%s", status, body[:len(body)/2]), false)
}

func (m *meeting) drip(status int) {
	m.w.WriteHeader(status)
	for http.NewResponseController(m.w).Flush() == nil && m.r.Context().Err() == nil {
		_, _ = io.WriteString(m.w, "[")
		m.wait(50 * time.Millisecond)
	}
}

func (m *meeting) huge(status int) {
	m.w.WriteHeader(status)
	chunk := strings.Repeat("[", 1<<16)
	for range 1 << 6 {
		if _, err := io.WriteString(m.w, chunk); err != nil {
			return
		}
	}
}

// pass answers as the service itself does.
func (m *meeting) pass(a *httptest.ResponseRecorder) {
	for name, values := range a.Header() {
		m.w.Header()[name] = values
	}
	m.w.WriteHeader(a.Code)
	_, _ = m.w.Write(a.Body.Bytes())
}

// broken writes the text as it is, and ends the connection.
func broken(w http.ResponseWriter, text string, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, text)
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
