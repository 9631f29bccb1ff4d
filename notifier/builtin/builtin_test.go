package builtin_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
)

func TestRegistryHoldsTheNotifiersOfThisVersion(t *testing.T) {
	t.Parallel()
	r := builtin.Registry(nil)
	var kinds []string
	for _, m := range r.All() {
		kinds = append(kinds, m.Kind)
		require.NotEmpty(t, m.Title, m.Kind)
		require.NotEmpty(t, m.Guarantee, m.Kind)
		require.Empty(t, r.Instead(m.Kind), "%s is there, and another is to be written", m.Kind)
	}
	require.Equal(t, []string{"slack", "slack_webhook", "sendgrid", "smtp", "pagerduty", "teams", "telegram", "webhook", "stdout"}, kinds)
	for name, format := range map[string]string{
		"discord": "discord", "google-chat": "google-chat", "google_chat": "google-chat", "mattermost": "mattermost", "ntfy": "ntfy",
	} {
		require.Equal(t, "webhook, with format: "+format+" in its connection", r.Instead(name))
	}
	require.Empty(t, r.Instead("carrier-pigeon"))
}

// Schema and validation come from the manifests' own structs, so each must be one that the
// decoder can read and describe.
func TestEveryNotifierCanBeDecodedAndDescribed(t *testing.T) {
	t.Parallel()
	for _, m := range builtin.Registry(nil).All() {
		require.Equal(t, "object", strict.Describe(m.Destination())["type"], m.Kind)
		strict.Decode(map[string]any{}, m.Destination())
		if m.Config != nil {
			wants := m.Kind != "webhook" // which may leave all to its destinations
			require.Equal(t, wants, len(strict.Decode(map[string]any{}, m.Config())) > 0, "%s wants its credentials", m.Kind)
			require.Equal(t, "object", strict.Describe(m.Config())["type"], m.Kind)
		}
	}
}

func TestStdoutPrintsToTheGivenWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m, ok := builtin.Registry(&out).Find("stdout")
	require.True(t, ok)
	require.Nil(t, m.Config, "it needs no credentials")
	n, err := m.New(nil, notifier.Deps{})
	require.NoError(t, err)
	_, err = n.Send(t.Context(), m.Destination(), notifier.Message{Title: "hello"})
	require.NoError(t, err)
	require.Contains(t, out.String(), "hello")
}
