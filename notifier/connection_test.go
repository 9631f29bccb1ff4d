package notifier_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func TestAllowCheckScope(t *testing.T) {
	t.Parallel()
	cases := []struct {
		scopes          []string
		project, domain string
		want            bool
	}{
		{nil, "ml", "production", true},
		{[]string{}, "ml", "production", true},
		{[]string{"ml/*"}, "ml", "production", true},
		{[]string{"ml/*"}, "mlops", "production", false},
		{[]string{"*/production"}, "ml", "production", true},
		{[]string{"*"}, "ml", "production", false}, // a star does not cross the slash
		{[]string{"*/*"}, "ml", "production", true},
		{[]string{"ml/production"}, "ml", "staging", false},
		{[]string{"a/b", "ml/staging"}, "ml", "staging", true},
		{[]string{"ml-[ab]/*"}, "ml-b", "x", true},
		{[]string{"["}, "ml", "production", false},
		{[]string{""}, "", "", false},
	}
	for _, tc := range cases {
		err := notifier.Allow{Scopes: tc.scopes}.CheckScope(tc.project, tc.domain)
		if tc.want {
			require.NoError(t, err, "%v", tc)
			continue
		}
		require.EqualError(t, err, "the connection does not allow scope "+tc.project+"/"+tc.domain)
	}
}

func TestAllowCheckNames(t *testing.T) {
	t.Parallel()
	cases := []struct {
		allowed, names []string
		want           bool
	}{
		{nil, []string{"#general"}, true},
		{nil, nil, true},
		{[]string{"#ml-*"}, []string{"#ml-alerts"}, true},
		{[]string{"#ml-*"}, []string{"C012", "#ml-alerts"}, true},
		{[]string{"C012"}, []string{"#ml-alerts", "C012"}, true},
		{[]string{"#ml-*"}, []string{"#general", "C012"}, false},
		{[]string{"#ml-*"}, []string{"ml-alerts"}, false},
		{[]string{"#*"}, []string{"email:ada@example.org"}, false},
		{[]string{"email:*@example.org"}, []string{"email:ada@example.org"}, true},
		{[]string{"*@example.org"}, []string{"ada@example.org.evil.net"}, false},
		{[]string{"#ml-*"}, nil, false},
		{[]string{"["}, []string{"["}, false},
	}
	for _, tc := range cases {
		err := notifier.Allow{Destinations: tc.allowed}.CheckNames(tc.names...)
		require.Equal(t, tc.want, err == nil, "%v: %v", tc, err)
	}
	err := notifier.Allow{Destinations: []string{"#a"}}.CheckNames("#b", "C1")
	require.EqualError(t, err, "the connection does not allow destination #b, C1")
}

func TestConnectionsFind(t *testing.T) {
	t.Parallel()
	team := &notifier.Connection{Name: "team-slack", Kind: "slack"}
	mail := &notifier.Connection{Name: "mail", Kind: "sendgrid"}
	all := notifier.NewConnections([]*notifier.Connection{team, mail}, map[string]string{"slack": "team-slack", "webhook": "gone"})

	got, err := all.Find("slack", "team-slack")
	require.NoError(t, err)
	require.Same(t, team, got)
	got, err = all.Find("slack", "")
	require.NoError(t, err)
	require.Same(t, team, got, "the default")
	require.Equal(t, []*notifier.Connection{mail, team}, all.All())

	for _, tc := range []struct{ kind, name, want string }{
		{"sendgrid", "", "required: the server has no default connection for sendgrid"},
		{"slack", "nope", `unknown connection "nope"`},
		{"slack", "mail", `connection "mail" is of kind sendgrid, not slack`},
		{"webhook", "", `unknown connection "gone"`},
	} {
		_, err := all.Find(tc.kind, tc.name)
		require.EqualError(t, err, tc.want)
	}
	require.Empty(t, notifier.NewConnections(nil, nil).All())
	_, err = notifier.NewConnections(nil, nil).Find("slack", "")
	require.Error(t, err)
}
