package spec_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/notifier/webhook"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

// hooks is a server with webhooks.
func hooks() spec.Env {
	env := server()
	env.Registry = notifier.NewRegistry(webhook.Manifest())
	env.Connections = notifier.NewConnections([]*notifier.Connection{
		{Name: "own", Kind: "webhook", Config: &webhook.Config{URL: notifier.Secret{Env: "A"}}},
		{Name: "open", Kind: "webhook", Config: &webhook.Config{}, Allow: notifier.Allow{Destinations: []string{"hooks.example.org"}}},
		{Name: "made", Kind: "webhook", Config: &webhook.Config{URL: notifier.Secret{Env: "A"}, Format: "template"}},
		{Name: "filled", Kind: "webhook", Config: &webhook.Config{URL: notifier.Secret{Env: "A"}, Format: "template", Body: `"{{.Phase}}"`}},
	}, map[string]string{"webhook": "own"})
	return env
}

func TestAConnectionFillsWhatADestinationLeavesOpen(t *testing.T) {
	t.Parallel()
	task, problems := spec.ParseTask(tree(t, rule("send: [{webhook: {connection: filled}}, {webhook: {connection: filled, body: '1'}}, {webhook: {}}]")), hooks())
	require.Empty(t, problems)
	require.JSONEq(t, `{"body": "\"{{.Phase}}\""}`, string(task.Rules[0].Send[0].Destination))
	require.JSONEq(t, `{"body": "1"}`, string(task.Rules[0].Send[1].Destination))
	require.JSONEq(t, `{}`, string(task.Rules[0].Send[2].Destination))
}

func TestADestinationFitsItsConnection(t *testing.T) {
	t.Parallel()
	for send, want := range map[string][]string{
		"[{webhook: {}}]": nil,
		"[{webhook: {connection: open, url: https://hooks.example.org/a}}]":        nil,
		"[{webhook: {connection: made, body: '{\"text\": {{.Error | toJson}}}'}}]": nil,
		"[{webhook: {url: https://hooks.example.org/a}}, {webhook: {connection: open}}]": {
			"rules[0].send[0].webhook.url: must not be given: the connection has one",
			"rules[0].send[1].webhook.url: required: the connection has none",
		},
		"[{webhook: {connection: open, url: https://Hooks.Example.com:443/a}}]": {
			"rules[0].send[0].webhook.url: the connection does not allow destination hooks.example.com",
		},
		"[{webhook: {connection: made, body: '{{.Nmae}}'}}]": {
			"rules[0].send[0].webhook.body: line 1:2: unknown variable .Nmae, did you mean .Name?",
		},
	} {
		_, problems := spec.ParseTask(tree(t, rule("send: "+send)), hooks())
		require.Equal(t, want, texts(problems), send)
	}
}

// What a message looks like is judged where it is written, with its path, and its templates as any others.
func TestAShapeIsJudgedWhereItIsWritten(t *testing.T) {
	t.Parallel()
	env := server()
	env.Registry = notifier.NewRegistry(slack.Manifest())
	env.Connections = notifier.NewConnections([]*notifier.Connection{{Name: "chat", Kind: "slack", Config: &slack.Config{}}}, map[string]string{"slack": "chat"})
	for blocks, want := range map[string][]string{
		"[{type: section, text: {type: mrkdwn, text: '*{{.Phase}}*'}}]": nil,
		"[{type: divider}, {type: vidoe}]": {
			"rules[0].send[0].slack.blocks[1].type: must be one of actions, context, divider, header, image, rich_text, section",
		},
		"[{type: section, text: {type: mrkdwn, text: '{{.Phsae}}'}}]": {
			"rules[0].send[0].slack.blocks[0].text.text: line 1:2: unknown variable .Phsae, did you mean .Phase?",
		},
		"text": {"rules[0].send[0].slack.blocks: must be a list, not a string"},
	} {
		_, problems := spec.ParseTask(tree(t, rule("send: [{slack: {channel: '#a', blocks: "+blocks+"}}]")), env)
		require.Equal(t, want, texts(problems), blocks)
	}
}
