package notifiertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// accepting is a service that takes what it gets, once it has been looked at.
func (s Suite) accepting(t testing.TB, seen *atomic.Int32) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a request: %v", err)
		}
		seen.Add(1)
		if len(body) > s.MaxRequest {
			t.Errorf("a request of %d bytes", len(body))
		}
		if s.Inspect != nil {
			s.Inspect(t, r, body)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.Accept.ServeHTTP(w, r)
	}
}

// start returns a notifier whose service accepts, or one without a service.
func (s Suite) start(t testing.TB, seen *atomic.Int32) notifier.BaseNotifier {
	t.Helper()
	if s.Accept == nil {
		return s.New(t, "", nil)
	}
	return s.serve(t, s.accepting(t, seen))
}

// HostileTexts are texts that break out of formats, or grow out of limits.
func HostileTexts() []string {
	return []string{
		"", " ", "\n", "\x00", "\xff\xfe\xc0\x80", "a\r\nBcc: everybody@example.org\r\n\r\nb",
		"<!channel> <!here> <!everyone> <@U123> <#C123> @here @channel", "<https://evil.example.org|the console>",
		"&#64;channel &commat;here &#x40;all &lt;!channel&gt;", // which some read as what they stand for
		"<script>alert(1)</script> <img src=x onerror=alert(1)>", "</pre></body>", "``` `x` *b* _i_ ~s~", "]]> --> {{.Error}} ${HOME} %s %d",
		"\u202Etxt.exe\u202C \u2066x\u2069", "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b31m", "e\u0301\u200d👩‍👩‍👧‍👦 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \u2028 \uFEFF",
		`"quotes" 'and' \backslashes\ & ampersands`, strings.Repeat("&<>\"", 20_000), strings.Repeat("\n", 10_000),
		strings.Repeat("😀", 1<<16), strings.Repeat("x", 1<<20), strings.Repeat("https://a.b ", 10_000), strings.Repeat("\\\"", 1<<16),
	}
}

// hostile is a message that is made of one text throughout.
func hostile(text string) notifier.Message {
	m := notifier.Message{
		Key: "d-0002", Status: notifier.Status(text), Title: text, Body: text, Error: text, Reason: text, Notes: []string{text},
		Vars: map[string]any{"Error": text},
	}
	pairs := 30
	if len(text) > 1<<10 {
		pairs = 1
	}
	for range pairs {
		m.Facts = append(m.Facts, notifier.Fact{Name: text, Value: text, URL: text})
		m.Links = append(m.Links, notifier.Link{Text: text, URL: "https://flyte.example.org/?" + text})
	}
	return m
}

func (s Suite) hostileText(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	n := s.start(t, &seen)
	for _, text := range HostileTexts() {
		receipt, err := s.send(t.Context(), t, n, hostile(text))
		if err != nil {
			t.Errorf("%.40q: %v", text, err)
		}
		checkReceipt(t, receipt)
	}
	if _, err := s.send(t.Context(), t, n, notifier.Message{}); err != nil {
		t.Errorf("the empty message: %v", err)
	}
	if s.Accept != nil && int(seen.Load()) < len(HostileTexts())+1 {
		t.Errorf("%d requests for %d messages", seen.Load(), len(HostileTexts())+1)
	}
}

func checkReceipt(t testing.TB, r notifier.Receipt) {
	t.Helper()
	for key, value := range r {
		if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" || value == "" {
			t.Errorf("receipt %q: %q, want a lower snake case key and a value", key, value)
		}
	}
}

func (s Suite) concurrent(t *testing.T) {
	t.Parallel()
	const sends = 100
	var seen atomic.Int32
	n := s.start(t, &seen)
	var all sync.WaitGroup
	for i := range sends {
		all.Go(func() {
			m := Message()
			m.Key = fmt.Sprintf("d-%04d", i)
			if _, err := s.send(t.Context(), t, n, m); err != nil {
				t.Errorf("send %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if s.Accept != nil && seen.Load() != sends {
		t.Errorf("%d requests for %d messages", seen.Load(), sends)
	}
}

// foreign is a destination of no notifier's.
type foreign struct{}

func (foreign) Address() string { return "foreign" }
func (s Suite) foreignDestination(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	n := s.start(t, &seen)
	_, err := n.Send(context.WithoutCancel(t.Context()), foreign{}, Message())
	want(t, "a destination of another notifier", err, notifier.Permanent)
	if seen.Load() > 0 {
		t.Error("something was sent")
	}
}
