// Package probe is the HTTP listener for operators: whether the server is alive, whether what it
// needs is reachable, and its metrics.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one check of /readyz, below the usual time-out of who asks.
const checkTimeout = 2 * time.Second

// checkGrace is how long after that a check may take to see that its time is over.
const checkGrace = 100 * time.Millisecond

// Check is one thing that the server needs.
type Check struct {
	Name string
	Ping func(context.Context) error // nil when it is reached
}

// Note is one thing that operators should see to, but that leaves the server as ready as it was.
type Note struct {
	Name  string
	Lines func() []string // none while all is well
}

// Handler answers /healthz (200 while the process lives), /readyz (200 while every check passes;
// the body has a line for each, and those of the notes), /metrics and the pages. Kubernetes' probes must not use /readyz: an
// outage of flyteadmin would take the agent's endpoint away, and that burns the retries of users'
// tasks.
func Handler(checks []Check, notes []Note, g prometheus.Gatherer, pages ...Page) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		code, body := ready(r.Context(), checks)
		answer(w, code, body+noted(notes))
	})
	// One collector that fails, because the store does, must not take all other metrics with it.
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	for _, p := range pages {
		mux.Handle(p.Path, p.Handler)
		mux.Handle(p.Path+"/", p.Handler)
	}
	return mux
}

func answer(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body)) // whoever asked has gone; there is nobody to tell
}

// ready runs the checks side by side, and waits for none longer than checkTimeout.
func ready(ctx context.Context, checks []Check) (code int, body string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]chan error, len(checks))
	for i, c := range checks {
		results[i] = make(chan error, 1)
		go func() { results[i] <- c.Ping(ctx) }()
	}
	code = http.StatusOK
	for i, c := range checks {
		line := "ok"
		if err := await(ctx, results[i]); err != nil {
			code, line = http.StatusServiceUnavailable, oneLine(err.Error())
		}
		body += c.Name + ": " + line + "\n"
	}
	return code, body
}

// await returns what a check came to. One that no context ends, such as a read of a disk that
// hangs, is left behind.
func await(ctx context.Context, result <-chan error) error {
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-result: // it ended with the context, and may tell more
		return err
	case <-time.After(checkGrace):
		return fmt.Errorf("no answer within %s", checkTimeout)
	}
}

func noted(notes []Note) (body string) {
	for _, n := range notes {
		for _, line := range n.Lines() {
			body += n.Name + ": " + oneLine(line) + "\n"
		}
	}
	return body
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Serve answers on l until ctx ends, and returns nil then.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}
