package slack_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

// staffed is a workspace with people, and a notifier whose config knows the owners.
func staffed(t testing.TB) (*slacksim.Sim, *slack.Notifier) {
	t.Helper()
	sim, _ := workspace(t, slacksim.Options{
		Users:  []slacksim.User{{ID: "U00000ADA", Name: "ada", Email: "ada@example.org"}},
		Groups: []slacksim.UserGroup{{ID: "S000000ML", Handle: "ml-team"}},
	})
	n, err := slack.New(slack.Config{
		Token: token(t, slacksim.DefaultToken), APIURL: exchange.BaseURL(sim.URL()),
		Mentions: slack.Mentions{Owners: map[string]string{"ml": "@ML-team", "bob@example.org": "U00000BOB", "data": "S00000DATA"}},
	}, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
	require.NoError(t, err)
	return sim, n
}

// owned is a failure of an execution with these labels, started by the user.
func owned(user string, labels map[string]string) notifier.Message {
	m := notifiertest.Message()
	m.Status = notifier.Failure
	m.Vars = map[string]any{"Labels": labels, "User": user}
	return m
}

func mentioning(whom ...string) *slack.Destination {
	d := channel("general")
	d.Mention = whom
	return d
}

func TestWhomAMessageMentions(t *testing.T) {
	t.Parallel()
	sim, n := staffed(t)
	cases := []struct {
		whom []string
		m    notifier.Message
		want string
	}{
		{[]string{"owner"}, owned("", map[string]string{"team": "ml"}), "<!subteam^S000000ML>"},
		{[]string{"owner"}, owned("", map[string]string{"team": "ml", "owner": "data"}), "<!subteam^S00000DATA>"},
		{[]string{"owner"}, owned("bob@example.org", map[string]string{"team": "none", "other": "ml"}), "<@U00000BOB>"},
		{[]string{"owner"}, owned("ada@example.org", nil), "<@U00000ADA>"},
		{[]string{"@ml-team", "Ada@example.org", "U00000BOB", "S00000DATA", "ada@example.org"}, owned("", nil), "<!subteam^S000000ML> <@U00000ADA> <@U00000BOB> <!subteam^S00000DATA>"},
	}
	for i, tc := range cases {
		_, err := n.Send(t.Context(), mentioning(tc.whom...), tc.m)
		require.NoError(t, err)
		got := sim.Messages("general")[i]
		require.Contains(t, got.Text, tc.want+" ❌", "notifications show it as well")
		require.Contains(t, slacksim.Render(got), tc.want+"\n")
	}
	require.Equal(t, 1, sim.Calls("usergroups.list"), "groups are remembered")
	require.Equal(t, 1, sim.Calls("users.lookupByEmail"), "people are remembered")
}

func TestOnlyFailuresMention(t *testing.T) {
	t.Parallel()
	sim, n := staffed(t)
	m := owned("", nil)
	m.Status = notifier.Success
	d := mentioning("U00000BOB")
	_, err := n.Send(t.Context(), d, m)
	require.NoError(t, err)
	require.NotContains(t, sim.Messages("general")[0].Text, "U00000BOB")
	d.MentionOn = "always"
	sent, err := n.Send(t.Context(), d, m)
	require.NoError(t, err)
	require.Contains(t, sim.Messages("general")[1].Text, "<@U00000BOB>")
	_, err = n.Update(t.Context(), d, sent, m)
	require.NoError(t, err)
	require.Contains(t, slacksim.Render(sim.Messages("general")[1]), "<@U00000BOB>\n")
}

// Nobody's absence keeps a message back: a note says who is not mentioned, and why.
func TestWhoCannotBeMentioned(t *testing.T) {
	t.Parallel()
	sim, n := staffed(t)
	for i, tc := range []struct {
		whom, why string
		fail      func()
	}{
		{"owner", "owner is not mentioned: nobody is known as the owner", nil},
		{"@nobody", "@nobody is not mentioned: the workspace has no such user group", nil},
		{"eve@example.org", "eve@example.org is not mentioned: users_not_found", nil},
		{"@a", "@a is not mentioned: internal_error", func() { sim.Fail("usergroups.list", slacksim.Fault{Error: "internal_error"}) }},
		{"@b", "@b is not mentioned: HTTP status 500", func() { sim.Fail("usergroups.list", slacksim.Fault{Status: 500}) }},
		{"@c", "@c is not mentioned: missing_scope usergroups:read", func() { sim.SetToken(slacksim.DefaultToken, "chat:write") }},
		{"@c", "@c is not mentioned: missing_scope usergroups:read", nil},
	} {
		if tc.fail != nil {
			tc.fail()
		}
		_, err := n.Send(t.Context(), mentioning(tc.whom), owned("", map[string]string{"team": "<!channel>"}))
		require.NoError(t, err, tc.whom)
		got := sim.Messages("general")[i]
		require.Contains(t, slacksim.Render(got), tc.why)
		require.NotContains(t, got.Text, "<")
	}
	require.Equal(t, 4, sim.Calls("usergroups.list"), "what Slack does not tell is not asked at once again")
}

func TestAHangingLookUpOfPeopleDoesNotHoldTheMessage(t *testing.T) {
	t.Parallel()
	sim, n := staffed(t)
	sim.Fail("usergroups.list", slacksim.Fault{Hang: true})
	begun := time.Now()
	_, err := n.Send(t.Context(), mentioning("@ml-team"), owned("", nil))
	require.NoError(t, err)
	require.Less(t, time.Since(begun), 10*time.Second)
	require.Len(t, sim.Messages("general"), 1)
}

func TestOwnBlocksMentionToo(t *testing.T) {
	t.Parallel()
	sim, n := staffed(t)
	d := own(t, `[{"type": "divider"}]`, "")
	d.Mention = slack.People{"U00000BOB"}
	_, err := n.Send(t.Context(), d, owned("", nil))
	require.NoError(t, err)
	require.Contains(t, slacksim.Render(sim.Messages("general")[0]), "<@U00000BOB>\n---")
}

func TestMentionsAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		tree any
		want string
	}{
		{"owner", ""},
		{[]any{"owner", "@ml-team", "U00000ADA", "S000000ML", "ada@example.org"}, ""},
		{7, "must be a text"},
		{[]any{"owner", "ml"}, "[1]: must be @user-group"},
		{"@channel", "must be a user group or a person"},
		{"{{.User}}", "must not be a template"},
		{[]any{"a@b", "a@b", "a@b", "a@b", "a@b", "a@b", "a@b", "a@b", "a@b", "a@b", "a@b"}, "must have at most 10 entries, not 11"},
	} {
		var p slack.People
		problems := p.DecodeStrict(tc.tree)
		if tc.want == "" {
			require.Empty(t, problems, "%v", tc.tree)
			continue
		}
		require.NotEmpty(t, problems, "%v", tc.tree)
		require.Contains(t, problems[0].String(), tc.want)
	}
	require.Empty(t, (&slack.Mentions{Owners: map[string]string{"ml": "@ml"}}).Validate())
	require.Equal(t, "owners.ml", (&slack.Mentions{Owners: map[string]string{"ml": "owner"}}).Validate()[0].Path)
	d := mentioning()
	d.MentionOn = "always"
	require.Equal(t, "mention_on: needs mention", d.Validate()[0].String())
	d.MentionOn = "never"
	require.Equal(t, "mention_on: must be one of failure, always", d.Validate()[0].String())
}

func TestAMessageOfSeveralMentionsNoOwner(t *testing.T) {
	t.Parallel()
	require.Equal(t, slack.People{"@ml-team"}, mentioning("owner", "@ml-team").Gathered().(*slack.Destination).Mention)
}
