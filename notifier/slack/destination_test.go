package slack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

func TestDestinationProblems(t *testing.T) {
	t.Parallel()
	cases := []struct {
		d    slack.Destination
		want string
	}{
		{slack.Destination{}, "channel: required, unless email is given"},
		{slack.Destination{Channel: "#a", Email: "a@example.org"}, "email: not both channel and email"},
		{slack.Destination{Channel: "#"}, "channel: must be a channel's name, such as #ml-alerts, or its id"},
		{slack.Destination{Channel: "two words"}, "channel: must be"},
		{slack.Destination{Channel: "#a,#b"}, "channel: must be"},
		{slack.Destination{Channel: "##a"}, "channel: must be"},
		{slack.Destination{Channel: "<!channel>"}, "channel: must be"},
		{slack.Destination{Channel: strings.Repeat("a", 81)}, "channel: must be"},
		{slack.Destination{Channel: "@ada"}, "channel: must be a channel; for a person give email instead"},
		{slack.Destination{Channel: "U012ABCDEF"}, "channel: must be a channel; for a person give email instead"},
		{slack.Destination{Email: "ada"}, "email: must be an e-mail address"},
		{slack.Destination{Email: "Ada <ada@example.org>"}, "email: must be an e-mail address"},
		{slack.Destination{Email: "a@example.org, b@example.org"}, "email: must be an e-mail address"},
		{slack.Destination{Channel: "#ml-alerts"}, ""},
		{slack.Destination{Channel: "ml_alerts"}, ""},
		{slack.Destination{Channel: "команда-1"}, ""},
		{slack.Destination{Channel: "C0123456789"}, ""},
		{slack.Destination{Channel: "#{{.Domain}} alerts"}, ""},
		{slack.Destination{Email: "{{.User}}"}, ""},
		{slack.Destination{Email: "ada@example.org"}, ""},
		{slack.Destination{Channel: "#a", Thread: "execution"}, ""},
		{slack.Destination{Channel: "#a", Thread: "execution", Broadcast: true}, ""},
		{slack.Destination{Channel: "#a", Thread: "none", Update: true}, ""},
		{slack.Destination{Channel: "#a", Thread: "workflow"}, "thread: must be one of execution, none"},
		{slack.Destination{Channel: "#a", Thread: "execution", Update: true}, "update: not both update and thread: execution"},
		{slack.Destination{Channel: "#a", Broadcast: true}, "broadcast: needs thread: execution"},
		{slack.Destination{Channel: "#a", Update: true, Broadcast: true}, "broadcast: needs thread: execution"},
	}
	for _, tc := range cases {
		problems := tc.d.Validate()
		if tc.want == "" {
			require.Empty(t, problems, "%+v", tc.d)
			continue
		}
		require.Len(t, problems, 1, "%+v", tc.d)
		require.True(t, strings.HasPrefix(problems[0].String(), tc.want), "%s", problems[0])
	}
}

func TestDestinationAddress(t *testing.T) {
	t.Parallel()
	for want, same := range map[string][]slack.Destination{
		"#ml-alerts":            {{Channel: "#ml-alerts"}, {Channel: "ml-alerts"}},
		"C012":                  {{Channel: "C012"}},
		"#C012":                 {{Channel: "#C012"}},
		"email:ada@example.org": {{Email: "ada@example.org"}, {Email: "Ada@Example.org"}},
	} {
		for _, d := range same {
			require.Equal(t, want, d.Address())
			require.Equal(t, []string{want}, notifier.Addresses(&d))
		}
	}
}

func TestWithIDLeavesTheOriginalAlone(t *testing.T) {
	t.Parallel()
	d := &slack.Destination{Channel: "#a"}
	exact := d.WithID("C1")
	require.Equal(t, "#a", exact.Address(), "the lane stays")
	require.Equal(t, &slack.Destination{Channel: "#a"}, d)
	require.NotEqual(t, notifier.Destination(d), exact)
	raw, err := json.Marshal(exact)
	require.NoError(t, err)
	require.JSONEq(t, `{"channel":"#a"}`, string(raw))
}
