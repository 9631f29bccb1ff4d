// Package pagerdutysim is a PagerDuty for tests: it speaks POST /v2/enqueue of the Events API v2, refuses what PagerDuty
// refuses with the same errors, and keeps the alerts that events open and resolve. It notifies nobody.
package pagerdutysim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"unicode/utf8"
)

// maxEvent is PagerDuty's limit on an event, 512 KB.
// https://developer.pagerduty.com/docs/events-api-v2-overview
const maxEvent = 512_000

// Alert is what events with one dedup_key came to, from its first trigger until it is resolved.
type Alert struct {
	DedupKey string
	Open     bool
	Events   []Event // those that it took, in order
}

// Event is one that was taken.
type Event struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Payload    struct {
		Summary   string         `json:"summary"`
		Source    string         `json:"source"`
		Severity  string         `json:"severity"`
		Timestamp string         `json:"timestamp"`
		Component string         `json:"component"`
		Group     string         `json:"group"`
		Class     string         `json:"class"`
		Details   map[string]any `json:"custom_details"`
	} `json:"payload"`
	Links []struct {
		Href string `json:"href"`
		Text string `json:"text"`
	} `json:"links"`
	Client    string `json:"client"`
	ClientURL string `json:"client_url"`
}

// Sim is a simulated PagerDuty with one integration, and an http.Handler. It is safe for concurrent use.
type Sim struct {
	key    string
	mu     sync.Mutex
	alerts []Alert
	taken  int
}

// New returns one whose integration has this key, of 32 characters.
func New(key string) *Sim { return &Sim{key: key} }

// Alerts returns all alerts, in the order in which they were opened.
func (s *Sim) Alerts() []Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.alerts)
}

// Taken returns how many events were taken, those that were dropped among them.
func (s *Sim) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// ServeHTTP answers as the Events API does.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" {
		http.NotFound(w, r)
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxEvent+1))
	var e Event
	switch {
	case len(raw) > maxEvent: // what is beyond was not read
		answer(w, http.StatusRequestEntityTooLarge, map[string]any{"status": "invalid event", "message": "Payload too large"})
		return
	case err != nil || json.Unmarshal(raw, &e) != nil:
		answer(w, http.StatusBadRequest, map[string]any{"status": "Unrecognized object", "message": "Event object format is unrecognized", "errors": []string{"JSON parse error"}})
		return
	}
	if problems := s.check(e); len(problems) > 0 {
		answer(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": problems})
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"status": "success", "message": "Event processed", "dedup_key": s.take(e)})
}

// check returns what PagerDuty finds wrong.
func (s *Sim) check(e Event) (problems []string) {
	add := func(wrong bool, text string) {
		if wrong {
			problems = append(problems, text)
		}
	}
	add(len(e.RoutingKey) != 32, "Length of 'routing_key' is incorrect (should be 32 characters)")
	add(len(e.RoutingKey) == 32 && e.RoutingKey != s.key, "Invalid routing key")
	add(!slices.Contains([]string{"trigger", "acknowledge", "resolve"}, e.Action), "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
	add(utf8.RuneCountInString(e.DedupKey) > 255, "Length of 'dedup_key' is incorrect (should be at most 255 characters)")
	add(e.Action == "resolve" && e.DedupKey == "", "'dedup_key' is missing or blank")
	if e.Action != "trigger" {
		return problems
	}
	add(e.Payload.Summary == "", "'payload.summary' is missing or blank")
	add(utf8.RuneCountInString(e.Payload.Summary) > 1024, "Length of 'payload.summary' is incorrect (should be at most 1024 characters)")
	add(e.Payload.Source == "", "'payload.source' is missing or blank")
	add(!slices.Contains([]string{"critical", "warning", "error", "info"}, e.Payload.Severity), "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	for i, l := range e.Links {
		add(l.Href == "", fmt.Sprintf("'links[%d].href' is missing or blank", i))
	}
	return problems
}

// take applies an event to the open alert of its key: a trigger opens one where there is none, others are dropped.
func (s *Sim) take(e Event) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	if e.DedupKey == "" {
		e.DedupKey = fmt.Sprintf("generated-%d", s.taken)
	}
	i := slices.IndexFunc(s.alerts, func(a Alert) bool { return a.Open && a.DedupKey == e.DedupKey })
	if i < 0 && e.Action != "trigger" {
		return e.DedupKey
	}
	if i < 0 {
		i = len(s.alerts)
		s.alerts = append(s.alerts, Alert{DedupKey: e.DedupKey, Open: true})
	}
	s.alerts[i].Events = append(s.alerts[i].Events, e)
	s.alerts[i].Open = e.Action != "resolve"
	return e.DedupKey
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody to tell
}
