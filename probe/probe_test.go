package probe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/probe"
)

func check(name string, err error) probe.Check {
	return probe.Check{Name: name, Ping: func(context.Context) error { return err }}
}

func get(h http.Handler, path string) (code int, body string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return w.Code, w.Body.String()
}

func TestHealthzIsAlwaysWell(t *testing.T) {
	t.Parallel()
	h := probe.Handler([]probe.Check{check("store", errors.New("disk is full"))}, nil, prometheus.NewRegistry())
	code, body := get(h, "/healthz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok\n", body)
}

func TestReadyzHasALineForEachCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		checks []probe.Check
		code   int
		body   string
	}{
		"all well":    {[]probe.Check{check("store", nil), check("flyteadmin", nil)}, 200, "store: ok\nflyteadmin: ok\n"},
		"one fails":   {[]probe.Check{check("store", nil), check("flyteadmin", errors.New("down"))}, 503, "store: ok\nflyteadmin: down\n"},
		"both fail":   {[]probe.Check{check("store", errors.New("full")), check("flyteadmin", errors.New("down"))}, 503, "store: full\nflyteadmin: down\n"},
		"many lines":  {[]probe.Check{check("store", fmt.Errorf("a%s", "\nflyteadmin: ok\r\n"))}, 503, "store: a flyteadmin: ok\n"},
		"none at all": {nil, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, body := get(probe.Handler(tc.checks, nil, prometheus.NewRegistry()), "/readyz")
			require.Equal(t, tc.code, code)
			require.Equal(t, tc.body, body)
		})
	}
}

func TestNotesAreShownAndChangeNothing(t *testing.T) {
	t.Parallel()
	var lines []string
	notes := []probe.Note{{Name: "config", Lines: func() []string { return lines }}}
	for _, check := range []probe.Check{check("store", nil), check("store", errors.New("full"))} {
		h := probe.Handler([]probe.Check{check}, notes, prometheus.NewRegistry())
		lines = nil
		code, body := get(h, "/readyz")
		lines = []string{"watch.interval: must be longer than 0s", "server.listen:\nchanged"}
		noted, more := get(h, "/readyz")
		require.Equal(t, code, noted)
		require.Equal(t, body+"config: watch.interval: must be longer than 0s\nconfig: server.listen: changed\n", more)
	}
}

// Neither a check that waits for its context nor one that nothing ends holds up the answer or
// hides the others.
func TestHangingChecksAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		defer close(free)
		h := probe.Handler([]probe.Check{
			{Name: "slow", Ping: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			{Name: "stuck", Ping: func(context.Context) error { <-free; return nil }},
			check("well", nil),
			{Name: "late", Ping: func(context.Context) error { <-time.After(1900 * time.Millisecond); return nil }},
		}, nil, prometheus.NewRegistry())
		start := time.Now()
		code, body := get(h, "/readyz")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, "slow: context deadline exceeded\nstuck: no answer within 2s\nwell: ok\nlate: ok\n", body)
		require.LessOrEqual(t, time.Since(start), 2200*time.Millisecond)
	})
}

// broken is a collector that fails, as that of a store that cannot be read.
type broken struct{ desc *prometheus.Desc }

func (b broken) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }

func (b broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("disk is full"))
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	calls := prometheus.NewCounter(prometheus.CounterOpts{Name: "calls_total", Help: "Calls."})
	calls.Add(3)
	reg.MustRegister(calls, broken{prometheus.NewDesc("watches", "Watches.", nil, nil)})
	code, body := get(probe.Handler(nil, nil, reg), "/metrics")
	require.Equal(t, http.StatusOK, code, "one failing collector leaves the others")
	require.Contains(t, body, "calls_total 3")
	require.NotContains(t, body, "watches")
}

func TestOtherPathsAndMethods(t *testing.T) {
	t.Parallel()
	h := probe.Handler(nil, nil, prometheus.NewRegistry())
	code, _ := get(h, "/")
	require.Equal(t, http.StatusNotFound, code)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/healthz", http.NoBody))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
}

func TestServeUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- probe.Serve(ctx, l, probe.Handler(nil, nil, prometheus.NewRegistry())) }()
	url := "http://" + l.Addr().String() + "/healthz"
	answer, err := http.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, "ok\n", string(body))
	cancel()
	require.NoError(t, <-done)
	_, err = http.Get(url)
	require.Error(t, err)
}

func TestServeThatCannot(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorContains(t, probe.Serve(t.Context(), l, http.NotFoundHandler()), "serve HTTP on "+l.Addr().String())
}
