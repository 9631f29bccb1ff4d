package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// slack is the least that Slack's chat.postMessage can be: it takes every message at once, and
// tells whose it was. slacksim is Slack; here its work would be measured.
type slack struct {
	url    string
	server *http.Server
	posts  atomic.Int64
	told   func(name string)
}

func newSlack(told func(name string)) (*slack, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for Slack: %w", err)
	}
	s := &slack{url: "http://" + l.Addr().String() + "/api/", told: told}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }() // it ends with close
	return s, nil
}

func (s *slack) close() { _ = s.server.Close() }

// ServeHTTP answers chat.postMessage and, before the first message to a channel, conversations.info.
func (s *slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	channel := value(string(body), "channel")
	answer := fmt.Sprintf(`{"ok":true,"channel":{"id":%q,"name":"ml-alerts","is_channel":true,"is_member":true}}`, channel)
	if strings.HasSuffix(r.URL.Path, "/chat.postMessage") {
		s.told(nameIn(value(string(body), "text")))
		answer = fmt.Sprintf(`{"ok":true,"channel":%q,"ts":"%d.%06d"}`, channel, now.Unix(), s.posts.Add(1)%1_000_000)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, answer) // the caller may be gone
}

// value is that of one key of a form: parsing all of it would be most of the work.
func value(form, key string) string {
	form = "&" + form
	_, rest, _ := strings.Cut(form, "&"+key+"=")
	escaped, _, _ := strings.Cut(rest, "&")
	text, err := url.QueryUnescape(escaped)
	if err != nil {
		return ""
	}
	return text
}

// nameIn finds the execution's name in a message, "" if there is none.
func nameIn(text string) string {
	at := strings.Index(text, namePrefix)
	if at < 0 || len(text) < at+len(name(0)) {
		return ""
	}
	return text[at : at+len(name(0))]
}
