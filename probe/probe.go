// Package probe is the HTTP listener for operators: whether the server is alive, whether what it
// needs is reachable, and its metrics.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one check of /readyz, below the usual time-out of who asks.
const checkTimeout = 2 * time.Second

// Check is one thing that the server needs.
type Check struct {
	Name string
	Ping func(context.Context) error // nil when it is reached
}

// Handler answers /healthz (200 while the process lives), /readyz (200 while every check passes;
// the body has a line for each) and /metrics. Kubernetes' probes must not use /readyz: an outage
// of flyteadmin would take the agent's endpoint away, and that burns the retries of users' tasks.
func Handler(checks []Check, g prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		code, body := ready(r.Context(), checks)
		answer(w, code, body)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	return mux
}

func answer(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body)) // whoever asked has gone; there is nobody to tell
}

// ready runs the checks side by side.
func ready(ctx context.Context, checks []Check) (code int, body string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	errs := make([]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { errs[i] = c.Ping(ctx) })
	}
	wg.Wait()
	code = http.StatusOK
	for i, c := range checks {
		line := "ok"
		if errs[i] != nil {
			code, line = http.StatusServiceUnavailable, errs[i].Error()
		}
		body += fmt.Sprintf("%s: %s\n", c.Name, line)
	}
	return code, body
}

// Serve answers on l until ctx ends, and returns nil then.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}
