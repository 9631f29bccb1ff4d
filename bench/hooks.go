package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// hooks are services that take webhooks, each behind a connection of its own. The last one may hang: it takes every
// call and answers none.
type hooks struct {
	servers []*http.Server
	urls    []string
	hangs   bool

	mu   sync.Mutex
	came map[string]time.Time // the first message about an execution, by its name
}

func newHooks(n int, hangs bool) (*hooks, error) {
	h := &hooks{hangs: hangs, came: map[string]time.Time{}}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			h.close()
			return nil, fmt.Errorf("listen for webhooks: %w", err)
		}
		s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(h.take)}
		if hangs && i == n-1 {
			s.Handler = http.HandlerFunc(hang)
		}
		go func() { _ = s.Serve(l) }() // it ends with close
		h.servers, h.urls = append(h.servers, s), append(h.urls, "http://"+l.Addr().String())
	}
	return h, nil
}

func (h *hooks) close() {
	for _, s := range h.servers {
		_ = s.Close()
	}
}

// hang reads all of a call and answers when nobody waits any more.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // whoever calls may be gone
	<-r.Context().Done()
}

func (h *hooks) take(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	about := nameIn(string(body))
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, twice := h.came[about]; !twice {
		h.came[about] = now
	}
}

// arrived is when a message about an execution came.
func (h *hooks) arrived(name string) (at time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok = h.came[name]
	return at, ok
}

// connections are the lines of the config that name them.
func (h *hooks) connections(dir string) (string, error) {
	var lines strings.Builder
	for i, url := range h.urls {
		file := filepath.Join(dir, filepath.Base(url))
		if err := os.WriteFile(file, []byte(url), 0o600); err != nil {
			return "", fmt.Errorf("write a webhook's URL: %w", err)
		}
		fmt.Fprintf(&lines, "  hook-%d: {webhook: {url: {file: %q}, allow_private: true}, rate: {per_second: 0}}\n", i, file)
	}
	return lines.String(), nil
}

// await waits until all messages of these executions came, and returns how many did not.
func (h *hooks) await(ctx context.Context, names []string) (lost int) {
	for begin := time.Now(); time.Since(begin) < 10*time.Second && ctx.Err() == nil; sleep(ctx, 10*time.Millisecond) {
		lost = 0
		for _, name := range names {
			if _, ok := h.arrived(name); !ok {
				lost++
			}
		}
		if lost == 0 {
			return 0
		}
	}
	return lost
}
