package app_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/app"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// A redirect would carry credentials elsewhere.
func TestClientFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	followed := make(chan struct{}, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed <- struct{}{} }))
	t.Cleanup(elsewhere.Close)
	service := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(service.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, service.URL, http.NoBody)
	require.NoError(t, err)
	answer, err := app.Deps().HTTP.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusTemporaryRedirect, answer.StatusCode)
	require.Empty(t, followed)
}

// What a task names must not lead inside: neither by address nor by a name that resolves there.
func TestGuardedClientReachesNothingInside(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 10)
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	require.NoError(t, err)
	for _, host := range []string{
		"127.0.0.1:" + port, "localhost:" + port, "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1",
		"192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "203.0.113.1:22",
		"168.63.129.16", "[fd20:ce::254]",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+"/", http.NoBody)
		require.NoError(t, err)
		answer, err := app.Deps().Guarded.Do(r)
		if err == nil {
			require.NoError(t, answer.Body.Close())
		}
		require.ErrorIs(t, err, notifier.ErrForbiddenAddress, host)
	}
	require.Empty(t, reached)
}

// Where the operator opens what is private to tasks, the rest of what is inside stays shut.
func TestPrivateClientReachesPrivateAndLoopbackOnly(t *testing.T) {
	t.Parallel()
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(inside.Close)
	call := func(url string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
		require.NoError(t, err)
		answer, err := app.Deps().Private.Do(r)
		if err == nil {
			require.NoError(t, answer.Body.Close())
		}
		return answer, err
	}
	answer, err := call(inside.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, answer.StatusCode)
	for _, host := range []string{
		"168.63.129.16", "168.63.129.16:32526", "[::ffff:168.63.129.16]", "[fd00:ec2::23]", "[fd00:ec2::254]:8080", "[fd20:ce::254]", "[fd00:42::42]",
		"169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0", "100.64.0.1", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
	} {
		_, err := call("http://" + host + "/")
		require.ErrorIs(t, err, notifier.ErrForbiddenAddress, host)
	}
}

// Who is named by tasks holds no more of the server than it needs.
func TestClientsAreBounded(t *testing.T) {
	t.Parallel()
	wordy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Words", strings.Repeat("a", 96<<10))
	}))
	t.Cleanup(wordy.Close)
	deps := app.Deps()
	for _, client := range []*http.Client{deps.HTTP, deps.Guarded, deps.Private} {
		transport, ok := client.Transport.(*http.Transport)
		require.True(t, ok)
		require.Positive(t, transport.MaxIdleConns)
		require.Positive(t, transport.MaxIdleConnsPerHost)
	}
	for _, client := range []*http.Client{deps.HTTP, deps.Private} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, wordy.URL, http.NoBody)
		require.NoError(t, err)
		answer, err := client.Do(r)
		if err == nil {
			require.NoError(t, answer.Body.Close())
		}
		require.ErrorContains(t, err, "headers exceeded")
	}
}
