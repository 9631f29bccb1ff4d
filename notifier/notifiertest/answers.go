package notifiertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// statuses tries every status there can be, final or not, with a body that no service sends.
func (s Suite) statuses(t *testing.T) {
	t.Parallel()
	var status atomic.Int32
	n := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		raw(w, fmt.Sprintf("HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status.Load(), len(s.Body), s.Body))
	})
	for code := 100; code < 600; code++ {
		status.Store(int32(code))
		_, err := s.send(t.Context(), t, n, Message())
		want(t, fmt.Sprintf("status %d", code), err, s.verdict(code))
	}
}

// raw answers with exactly this text, and ends the connection.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = conn.Write([]byte(text)) // the caller may be gone
	_ = conn.Close()
}

// mostDelay is the longest wait that a notifier may pass on.
const mostDelay = 24 * time.Hour

func (s Suite) retryAfter(t *testing.T) {
	t.Parallel()
	var header atomic.Value
	header.Store("")
	n := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		if text := header.Load().(string); text != "" {
			w.Header().Set("Retry-After", text)
		}
		w.WriteHeader(http.StatusTooManyRequests)
	})
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	cases := []struct {
		name, header string
		least, most  time.Duration
	}{
		{"missing", "", 0, 0},
		{"seconds", "7", 7 * time.Second, 7 * time.Second},
		{"zero", "0", 0, 0},
		{"negative", "-5", 0, 0},
		{"date", date(90 * time.Second), time.Second, 90 * time.Second},
		{"past date", date(-time.Hour), 0, 0},
		{"far date", date(1000 * time.Hour), time.Second, mostDelay},
		{"absurd", "1000000000", time.Second, mostDelay},
		{"overflowing", "9223372036854775807", 0, mostDelay},
		{"beyond any integer", "99999999999999999999999", 0, mostDelay},
		{"garbage", "soon", 0, 0},
		{"fraction", "1.5", 0, 2 * time.Second},
	}
	for _, tc := range cases {
		header.Store(tc.header)
		_, err := s.send(t.Context(), t, n, Message())
		verdict, after := notifier.VerdictOf(err)
		switch {
		case verdict != notifier.Retry:
			t.Errorf("%s: verdict %s, want retry: %v", tc.name, verdict, err)
		case after < 0 || after > mostDelay:
			t.Errorf("%s: delay %s is out of bounds", tc.name, after)
		case !s.IgnoresRetryAfter && (after < tc.least || after > tc.most):
			t.Errorf("%s: delay %s, want %s to %s", tc.name, after, tc.least, tc.most)
		}
	}
}

// redirects shows that a redirect is an answer like any: what it points to is never called, since
// the request carries the credentials.
func (s Suite) redirects(t *testing.T) {
	t.Parallel()
	var status, elsewhere atomic.Int32
	var torn atomic.Bool
	n := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere.Add(1)
		}
		drain(r)
		if torn.Load() {
			w.Header().Set("Location", "http://[::1")
			w.WriteHeader(int(status.Load()))
			return
		}
		http.Redirect(w, r, "/elsewhere", int(status.Load()))
	})
	for _, code := range []int{301, 302, 303, 307, 308} {
		status.Store(int32(code))
		for _, nowhere := range []bool{false, true} {
			torn.Store(nowhere)
			_, err := s.send(t.Context(), t, n, Message())
			want(t, fmt.Sprintf("redirect %d (to nowhere: %t)", code, nowhere), err, s.verdict(code))
		}
	}
	if elsewhere.Load() > 0 {
		t.Errorf("%d redirects were followed", elsewhere.Load())
	}
}

// secrets shows errors and receipts whose answer repeats the whole request, in the forms that services have.
func (s Suite) secrets(t *testing.T) {
	t.Parallel()
	var status, form atomic.Int32
	forms := []func(text string) any{nil, refusal, acceptance}
	n := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, true)
		text := string(dump)
		if plain, err := url.QueryUnescape(text); err == nil {
			text += plain
		}
		w.Header().Set("X-Message-Id", strings.Join(r.Header["Authorization"], ""))
		if form := forms[form.Load()]; form != nil {
			dump, _ = json.Marshal(form(text))
			text = string(dump)
		}
		w.WriteHeader(int(status.Load()))
		_, _ = bytes.NewBufferString(text).WriteTo(w)
	})
	s.checkSecrets(t, n)
	for _, code := range []int{200, 202, 400, 401, 403, 404, 413, 429, 500, 503} {
		for i := range forms {
			status.Store(int32(code))
			form.Store(int32(i))
			_, _ = s.send(t.Context(), t, n, Message()) // send looks at what comes of it
		}
	}
	s.checkSecrets(t, n)
}

// refusal is an answer in the words of several services.
func refusal(text string) any {
	return map[string]any{
		"ok": false, "error": text, "message": text, "needed": text,
		"errors":            []any{map[string]any{"message": text, "field": text}},
		"response_metadata": map[string]any{"messages": []string{text}},
	}
}

// acceptance is one that calls the message by all of the request.
func acceptance(text string) any {
	return map[string]any{"ok": true, "id": text, "name": text, "channel": text, "channel_id": text, "ts": text, "message": map[string]any{"thread_ts": "of " + text}}
}
