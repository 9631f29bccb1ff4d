package slack_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

// token writes a token where a config can refer to it.
func token(t testing.TB, value string) notifier.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return notifier.Secret{File: file}
}

func open(t testing.TB, url string, client *http.Client) *slack.Notifier {
	t.Helper()
	n, err := slack.New(slack.Config{Token: token(t, slacksim.DefaultToken), APIURL: exchange.BaseURL(url)}, client)
	require.NoError(t, err)
	return n
}

func TestConformance(t *testing.T) {
	t.Parallel()
	sim := slacksim.New(slacksim.Options{})
	t.Cleanup(sim.Close)
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			return open(t, url+"/api", client)
		},
		Destination: &slack.Destination{Channel: "#general"},
		Accept:      sim, // it refuses what is over Slack's limits
		Secrets:     []string{slacksim.DefaultToken},
		MaxRequest:  100 << 10,
	})
}

// With all that a destination may ask for beside a place, a send keeps every promise.
func TestConformanceOfADressedMessage(t *testing.T) {
	t.Parallel()
	sim := slacksim.New(slacksim.Options{Groups: []slacksim.UserGroup{{ID: "S000000ML", Handle: "ml"}}})
	t.Cleanup(sim.Close)
	d := own(t, `[{"type": "header", "text": {"type": "plain_text", "text": "{{V}}"}}]`, "<!channel>")
	d.Channel, d.Mention, d.MentionOn = "#general", slack.People{"U00000BOB"}, "always"
	notifiertest.Run(t, notifiertest.Suite{
		New: func(t testing.TB, url string, client *http.Client) notifier.BaseNotifier {
			t.Helper()
			return open(t, url+"/api", client)
		},
		Destination: d,
		Accept:      sim,
		Secrets:     []string{slacksim.DefaultToken},
		MaxRequest:  100 << 10,
	})
}
