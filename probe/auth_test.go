package probe_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/probe"
)

// page answers what it was asked for.
func page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
	})
}

func TestGuardedPage(t *testing.T) {
	t.Parallel()
	password, unreadable := "hunter2", error(nil)
	h := probe.Handler(nil, nil, prometheus.NewRegistry(), probe.Page{Path: "/river", Handler: probe.Guarded("ada",
		func() (string, error) { return password, unreadable }, page())})
	ask := func(user, given string, edits ...func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/river/jobs", http.NoBody)
		if user != "" {
			r.SetBasicAuth(user, given)
		}
		for _, edit := range edits {
			edit(r)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	require.Equal(t, "GET /river/jobs", ask("ada", "hunter2").Body.String())
	for _, c := range [][2]string{{"", ""}, {"ada", ""}, {"ada", "hunter"}, {"ada", "hunter22"}, {"eve", "hunter2"}, {"adahunter2", ""}} {
		got := ask(c[0], c[1])
		require.Equal(t, http.StatusUnauthorized, got.Code, c)
		require.True(t, strings.HasPrefix(got.Header().Get("WWW-Authenticate"), "Basic "))
		require.NotContains(t, got.Body.String(), "hunter2")
	}

	password = "rotated"
	require.Equal(t, http.StatusUnauthorized, ask("ada", "hunter2").Code)
	require.Equal(t, http.StatusOK, ask("ada", "rotated").Code)
	unreadable = errors.New("open /run/secrets/ui: no such file")
	require.Equal(t, http.StatusServiceUnavailable, ask("ada", "rotated").Code, "nobody gets in")
	password, unreadable = "", nil
	require.Equal(t, http.StatusServiceUnavailable, ask("ada", "").Code, "an empty password is none")
}

func TestGuardedPageTakesNoOrdersFromOtherSites(t *testing.T) {
	t.Parallel()
	h := probe.Guarded("ada", func() (string, error) { return "hunter2", nil }, page())
	for origin, want := range map[string]int{"": 200, "http://example.com": 200, "https://elsewhere.example.org": 403} {
		r := httptest.NewRequest(http.MethodPost, "http://example.com/river/api/jobs/cancel", http.NoBody)
		r.SetBasicAuth("ada", "hunter2")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, origin)
	}
}

func TestPagesAreOff(t *testing.T) {
	t.Parallel()
	code, _ := get(probe.Handler(nil, nil, prometheus.NewRegistry()), "/river")
	require.Equal(t, http.StatusNotFound, code)
	h := probe.Handler(nil, nil, prometheus.NewRegistry(), probe.Page{Path: "/river", Handler: page()})
	for path, want := range map[string]int{"/river": 200, "/river/": 200, "/rivers": 404, "/healthz": 200} {
		code, _ := get(h, path)
		require.Equal(t, want, code, path)
	}
}
