package spec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// chat is a destination of one place, mail one of many, as the real notifiers have them.
type chat struct {
	Channel string `json:"channel"`
	Email   string `json:"email"`
	Thread  any    `json:"thread" unsupported:"true"`
}

func (d *chat) Validate() []notifier.Problem {
	if d.Channel == "" && d.Email == "" {
		return []notifier.Problem{{Path: "channel", Text: "required"}}
	}
	return nil
}

func (d *chat) Address() string {
	if d.Email != "" {
		return "email:" + d.Email
	}
	return "#" + strings.TrimPrefix(d.Channel, "#")
}
func (d *chat) Addresses() []string                { return []string{d.Address()} }
func (d *chat) WithID(string) notifier.Destination { return d }

type mail struct {
	To      []string       `json:"to" required:"true" min:"1"`
	Cc      []string       `json:"cc"`
	Subject string         `json:"subject"`
	Data    map[string]any `json:"data"`
}

func (*mail) Validate() []notifier.Problem { return nil }
func (d *mail) Address() string            { return strings.Join(d.To, ",") }

func (d *mail) Addresses() []string {
	var all []string
	for _, text := range append(append([]string{}, d.To...), d.Cc...) {
		if _, bare, named := strings.Cut(text, "<"); named {
			text = strings.ToLower(strings.TrimSuffix(bare, ">"))
		}
		all = append(all, text)
	}
	return all
}
func (d *mail) WithID(string) notifier.Destination { return d }

type terminal struct{}

func (*terminal) Validate() []notifier.Problem         { return nil }
func (*terminal) Address() string                      { return "stdout" }
func (*terminal) Addresses() []string                  { return nil }
func (d *terminal) WithID(string) notifier.Destination { return d }

func newNone(any, notifier.Deps) (notifier.BaseNotifier, error) { return nil, nil }

func registry() *notifier.Registry {
	config := func() any { return &struct{}{} }
	return notifier.NewRegistry(
		notifier.Manifest{Kind: "slack", Title: "Slack", Destination: func() notifier.Destination { return &chat{} }, Config: config, New: newNone},
		notifier.Manifest{Kind: "sendgrid", Title: "SendGrid", Destination: func() notifier.Destination { return &mail{} }, Config: config, New: newNone},
		notifier.Manifest{Kind: "stdout", Title: "Standard output", Names: map[string]string{"webhook": "stdout, for example"}, Destination: func() notifier.Destination { return &terminal{} }, New: newNone},
	)
}

// server is an environment as the agent has it: the task runs in p/development/own.
func server() spec.Env {
	return spec.Env{
		Registry: registry(),
		Connections: notifier.NewConnections([]*notifier.Connection{
			{Name: "team", Kind: "slack"},
			{Name: "mail", Kind: "sendgrid"},
			{Name: "narrow", Kind: "slack", Allow: notifier.Allow{Destinations: []string{"#ml-*", "email:*@example.org"}}},
			{Name: "narrow-mail", Kind: "sendgrid", Allow: notifier.Allow{Destinations: []string{"*@example.org"}}},
			{Name: "prod", Kind: "slack", Allow: notifier.Allow{Scopes: []string{"*/production"}}},
			{Name: "own", Kind: "slack", Allow: notifier.Allow{Scopes: []string{"p/*"}}},
		}, map[string]string{"slack": "team", "sendgrid": "mail"}),
		Caller: spec.Execution{Org: "o", Project: "p", Domain: "development", Name: "own"},
		Inputs: map[string]any{
			"target": "other", "full": "p/staging/other", "foreign": "q/staging/other", "odd": "a b", "number": 3.0, "mine": "own",
		},
	}
}

// alone is an environment as `validate` of a lone spec has it.
func alone() spec.Env { return spec.Env{Registry: registry()} }

func tree(t testing.TB, doc string) any {
	t.Helper()
	parsed, err := strict.YAML([]byte(doc))
	require.NoError(t, err)
	return parsed
}

func texts(problems []notifier.Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return all
}

// rule is a task with one rule, in which the given lines stand beside or instead of defaults.
func rule(lines ...string) string {
	doc := map[string]string{"when": "{phase: [FAILED]}", "send": "[{stdout: {}}]"}
	var order []string
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		doc[key] = value
		if key != "when" && key != "send" {
			order = append(order, key)
		}
	}
	out := "rules: [{when: " + doc["when"] + ", send: " + doc["send"]
	for _, key := range order {
		out += ", " + key + ": " + doc[key]
	}
	return out + "}]"
}
