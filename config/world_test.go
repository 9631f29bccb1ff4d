package config_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/notifier"
)

// chatConfig and mailConfig are connections as the real notifiers have them.
type chatConfig struct {
	Token  notifier.Secret  `json:"token" required:"true"`
	Second *notifier.Secret `json:"second"`
	APIURL string           `json:"api_url"`
}

type mailConfig struct {
	APIKey notifier.Secret `json:"api_key" required:"true"`
	From   string          `json:"from" required:"true"`
}

func (c *mailConfig) Validate() []notifier.Problem {
	if c.From == "nobody" {
		return []notifier.Problem{{Path: "from", Text: "must be an e-mail address"}}
	}
	return nil
}

type place struct{}

func (*place) Validate() []notifier.Problem         { return nil }
func (*place) Address() string                      { return "here" }
func (*place) Addresses() []string                  { return nil }
func (p *place) WithID(string) notifier.Destination { return p }

// made is a notifier that remembers what it was made from.
type made struct {
	config any
	client *http.Client
}

func (made) Send(context.Context, notifier.Destination, notifier.Message) (notifier.Receipt, error) {
	return nil, errors.New("not to be sent with")
}

func registry() *notifier.Registry {
	build := func(c any, d notifier.Deps) (notifier.BaseNotifier, error) {
		if m, ok := c.(*mailConfig); ok && m.From == "broken@example.org" {
			return nil, errors.New("open mail: no such sender")
		}
		return made{config: c, client: d.HTTP}, nil
	}
	destination := func() notifier.Destination { return &place{} }
	return notifier.NewRegistry(
		notifier.Manifest{
			Kind: "slack", Title: "Slack", Destination: destination, New: build,
			Config: func() any { return &chatConfig{} }, Rate: notifier.Rate{PerSecond: 1, Burst: 3},
		},
		notifier.Manifest{Kind: "sendgrid", Title: "SendGrid", Destination: destination, New: build, Config: func() any { return &mailConfig{} }},
		notifier.Manifest{Kind: "stdout", Title: "Standard output", Names: map[string]string{"webhook": "stdout, for example"}, Destination: destination, New: build},
	)
}

// minimal is the least that a server needs to be told.
const minimal = `admin: {endpoint: "dns:///flyteadmin:81", insecure: true}` + "\n"

func parse(t testing.TB, doc string, environ ...string) *config.Config {
	t.Helper()
	c, problems := config.Parse([]byte(doc), environ, registry())
	require.Empty(t, problems)
	return c
}

func problems(t testing.TB, doc string, environ ...string) []string {
	t.Helper()
	c, found := config.Parse([]byte(doc), environ, registry())
	require.Equal(t, c == nil, len(found) > 0, "either a config or problems")
	return texts(found)
}

func texts(problems []notifier.Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return all
}

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
