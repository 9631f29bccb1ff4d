package config_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func TestBuildMakesTheConnections(t *testing.T) {
	t.Parallel()
	token, key := write(t, "token", "xoxb-1"), write(t, "key", "SG.1")
	c := parse(t, minimal+`
connections:
  team: {slack: {token: {file: `+token+`}}, allow: {scopes: [ml/*]}, rate: {burst: 2}}
  mail: {sendgrid: {api_key: {file: `+key+`}, from: a@example.org}}
defaults: {slack: team}
`)
	client := &http.Client{}
	all, found := c.Build(registry(), notifier.Deps{HTTP: client})
	require.Empty(t, found)

	team, err := all.Find("slack", "")
	require.NoError(t, err)
	require.Equal(t, "team", team.Name)
	require.Equal(t, made{config: c.Connections["team"].Config, client: client}, team.Notifier)
	require.Equal(t, notifier.Allow{Scopes: []string{"ml/*"}}, team.Allow)
	require.Equal(t, notifier.Rate{PerSecond: 1, Burst: 2}, team.Rate)

	_, err = all.Find("sendgrid", "mail")
	require.NoError(t, err)
	_, err = all.Find("sendgrid", "")
	require.EqualError(t, err, "required: the server has no default connection for sendgrid")

	out, err := all.Find("stdout", "")
	require.NoError(t, err, "a notifier without credentials needs no connection of the file")
	require.Equal(t, "stdout", out.Name)
	require.Len(t, all.All(), 3)
}

func TestBuildWithoutConnectionsLeavesStdout(t *testing.T) {
	t.Parallel()
	all, found := parse(t, minimal).Build(registry(), notifier.Deps{})
	require.Empty(t, found)
	require.Len(t, all.All(), 1)
	_, err := all.Find("stdout", "")
	require.NoError(t, err)
}

func TestBuildTellsEverySecretThatIsMissing(t *testing.T) {
	t.Parallel()
	key, gone := write(t, "key", "SG.1"), t.TempDir()+"/gone"
	c := parse(t, minimal+`
connections:
  a: {slack: {token: {env: FLYTE_NOTIFIER_TEST_UNSET}, second: {file: `+gone+`}}}
  b: {sendgrid: {api_key: {file: `+key+`}, from: broken@example.org}}
  c: {sendgrid: {api_key: {file: `+key+`}, from: fine@example.org}}
`)
	all, found := c.Build(registry(), notifier.Deps{})
	require.Equal(t, []string{
		"connections.a.slack.token: secret env:FLYTE_NOTIFIER_TEST_UNSET is empty or not set",
		"connections.a.slack.second: read secret: open " + gone + ": no such file or directory",
		"connections.b.sendgrid: open mail: no such sender",
	}, texts(found))
	_, err := all.Find("sendgrid", "c")
	require.NoError(t, err, "what can be made is made")
}

func TestBuildForARegistryWithoutTheNotifier(t *testing.T) {
	t.Parallel()
	_, found := parse(t, full).Build(notifier.NewRegistry(), notifier.Deps{})
	require.Equal(t, []string{
		"connections.mail.sendgrid: not supported by this version", "connections.team-slack.slack: not supported by this version",
	}, texts(found))
}
