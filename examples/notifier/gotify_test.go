package gotify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	gotify "github.com/flyte-notifier/flyte-notifier/examples/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
)

const token = "A.example-token"

func TestConformance(t *testing.T) {
	t.Setenv("GOTIFY_TOKEN", token)
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			n, err := gotify.Manifest().New(&gotify.Config{URL: exchange.BaseURL(url), Token: notifier.Secret{Env: "GOTIFY_TOKEN"}}, notifier.Deps{HTTP: client})
			require.NoError(t, err)
			return n
		},
		Destination: &gotify.Destination{Priority: 8},
		Accept: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"id": 25, "appid": 5}`)
		}),
		Secrets:  []string{token},
		Verdicts: map[int]notifier.Verdict{http.StatusServiceUnavailable: notifier.Retry},
	})
}

// A server may be below a path.
func TestTheURL(t *testing.T) {
	t.Setenv("GOTIFY_TOKEN", token)
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		_, _ = io.WriteString(w, `{"id": 25}`)
	}))
	defer server.Close()
	n, err := gotify.Manifest().New(&gotify.Config{URL: exchange.BaseURL(server.URL + "/base/"), Token: notifier.Secret{Env: "GOTIFY_TOKEN"}}, notifier.Deps{HTTP: server.Client()})
	require.NoError(t, err)
	_, err = n.Send(t.Context(), &gotify.Destination{}, notifiertest.Message())
	require.NoError(t, err)
	require.Equal(t, "/base/message", path)
}

// The page shows the file as it is.
func TestThePageShowsThisNotifier(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("gotify.go")
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/notifiers/writing-one.md")
	require.NoError(t, err)
	_, body, _ := strings.Cut(string(code), "package gotify\n")
	require.Contains(t, string(page), strings.TrimSpace(body))
	require.Less(t, strings.Count(body, "\n"), 68, "it is an example")
}
