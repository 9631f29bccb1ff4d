package slack_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

// workspace is a simulated one, and a notifier that uses it.
func workspace(t testing.TB, o slacksim.Options) (*slacksim.Sim, *slack.Notifier) {
	t.Helper()
	sim := slacksim.New(o)
	t.Cleanup(sim.Close)
	return sim, open(t, sim.URL(), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
}

func channel(name string) *slack.Destination { return &slack.Destination{Channel: name} }

// mustBe fails the test unless err has the verdict and its text has these parts.
func mustBe(t testing.TB, err error, want notifier.Verdict, parts ...string) {
	t.Helper()
	got, _ := notifier.VerdictOf(err)
	require.Equal(t, want, got, "%v", err)
	for _, part := range parts {
		require.ErrorContains(t, err, part)
	}
}

func TestSendPostsToNamesAndIDs(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{Channels: []slacksim.Channel{{ID: "C0ALERTS", Name: "ml-alerts"}, {ID: "G0TEAM", Name: "team", Private: true}}})
	for _, d := range []notifier.Destination{
		channel("#ml-alerts"), channel("ml-alerts"), channel("C0ALERTS"), channel("#renamed").WithID("C0ALERTS"),
		channel("C0OLD").WithID("C0ALERTS"),
	} {
		before := len(sim.Messages("C0ALERTS"))
		receipt, err := n.Send(t.Context(), d, notifiertest.Message())
		require.NoError(t, err)
		got := sim.Messages("C0ALERTS")
		require.Len(t, got, before+1, "%s", d.Address())
		require.Equal(t, notifier.Receipt{"channel": "C0ALERTS", "ts": got[before].TS}, receipt)
	}
	_, err := n.Send(t.Context(), channel("G0TEAM"), notifiertest.Message())
	require.NoError(t, err)
	require.Equal(t, 0, sim.Calls("conversations.list"), "a send is one call")
}

func TestSendToAPersonNobodyResolved(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{Users: []slacksim.User{{Name: "ada", Email: "ada@example.org"}}})
	receipt, err := n.Send(t.Context(), &slack.Destination{Email: "ada@example.org"}, notifiertest.Message())
	require.NoError(t, err)
	require.Equal(t, byte('D'), receipt["channel"][0])
	require.Len(t, sim.Messages(receipt["channel"]), 1)
	_, err = n.Send(t.Context(), &slack.Destination{Email: "bob@example.org"}, notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: users_not_found")
}

func TestNothingIsUnfurledOrLinkedByName(t *testing.T) {
	t.Parallel()
	args := posted(t, notifiertest.Message()).Args
	require.Equal(t, []string{"false", "false", "false"}, []string{args["unfurl_links"], args["unfurl_media"], args["link_names"]})
}

func TestTheKeyGoesIntoTheMetadata(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	m := notifiertest.Message()
	m.Key = `d-"1"`
	_, err := n.Send(t.Context(), channel("general"), m)
	require.NoError(t, err)
	require.JSONEq(t, `{"event_type":"flyte_notifier","event_payload":{"key":"d-\"1\""}}`, string(sim.Messages("general")[0].Metadata))
}

// TestVerdictOfEachCode is the table of what Slack's codes come to, and what the error says to do.
func TestVerdictOfEachCode(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	cases := []struct {
		code string
		want notifier.Verdict
		hint string
	}{
		{"ratelimited", notifier.Retry, ""},
		{"rate_limited", notifier.Retry, ""},
		{"message_limit_exceeded", notifier.Retry, ""},
		{"team_added_to_org", notifier.Retry, "being moved"},
		{"org_login_required", notifier.Retry, "being moved"},
		{"external_channel_migrating", notifier.Retry, "being moved"},
		{"fatal_error", notifier.Unknown, ""},
		{"internal_error", notifier.Unknown, ""},
		{"service_unavailable", notifier.Unknown, ""},
		{"request_timeout", notifier.Unknown, ""},
		{"invalid_auth", notifier.Permanent, "bot token"},
		{"not_authed", notifier.Permanent, "bot token"},
		{"account_inactive", notifier.Permanent, "bot token"},
		{"token_revoked", notifier.Permanent, "bot token"},
		{"token_expired", notifier.Permanent, "bot token"},
		{"not_allowed_token_type", notifier.Permanent, "bot token"},
		{"channel_not_found", notifier.Permanent, "/invite @bot"},
		{"not_in_channel", notifier.Permanent, "/invite @bot"},
		{"is_archived", notifier.Permanent, "unarchive"},
		{"missing_scope", notifier.Permanent, "OAuth & Permissions"},
		{"no_permission", notifier.Permanent, "OAuth & Permissions"},
		{"restricted_action", notifier.Permanent, "does not let the bot post"},
		{"messages_tab_disabled", notifier.Permanent, "cannot write"},
		{"user_not_found", notifier.Permanent, "no active user"},
		{"msg_too_long", notifier.Permanent, ""},
		{"msg_blocks_too_long", notifier.Permanent, ""},
		{"invalid_blocks", notifier.Permanent, ""},
		{"no_text", notifier.Permanent, ""},
		{"metadata_too_large", notifier.Permanent, ""},
		{"team_access_not_granted", notifier.Permanent, ""},
		{"a_code_of_tomorrow", notifier.Permanent, ""},
	}
	for _, tc := range cases {
		sim.Fail("chat.postMessage", slacksim.Fault{Error: tc.code})
		receipt, err := n.Send(t.Context(), channel("general"), notifiertest.Message())
		mustBe(t, err, tc.want, "slack: "+tc.code, tc.hint)
		require.Nil(t, receipt)
	}
	require.Empty(t, sim.Messages(""))
}

func TestVerdictOfWhatIsNoCode(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	cases := map[string]struct {
		fault slacksim.Fault
		want  notifier.Verdict
		after time.Duration
		text  string
	}{
		"429 with a delay":         {slacksim.Fault{Status: 429, RetryAfter: "30", Error: "ratelimited"}, notifier.Retry, 30 * time.Second, "slack: ratelimited"},
		"429 without":              {slacksim.Fault{Status: 429}, notifier.Retry, 0, "slack: ratelimited"},
		"429 for a week":           {slacksim.Fault{Status: 429, RetryAfter: "604800"}, notifier.Retry, time.Hour, "slack: ratelimited"},
		"neither ok nor an error":  {slacksim.Fault{Body: `{"ok":false}`}, notifier.Unknown, 0, "neither accepts nor refuses"},
		"ok without ts":            {slacksim.Fault{Body: `{"ok":true,"channel":"C1"}`}, notifier.Unknown, 0, "neither accepts nor refuses"},
		"HTML instead of JSON":     {slacksim.Fault{Body: "<html>", Status: 200}, notifier.Unknown, 0, "unreadable answer"},
		"a gateway's error":        {slacksim.Fault{Body: "<html>", Status: 502}, notifier.Unknown, 0, "HTTP status 502"},
		"a proxy that refuses":     {slacksim.Fault{Body: "<html>", Status: 403}, notifier.Permanent, 0, "api_url"},
		"a path that is not there": {slacksim.Fault{Status: 404, Body: "?"}, notifier.Permanent, 0, "api_url"},
		"a slow upload":            {slacksim.Fault{Status: 408, Body: "?"}, notifier.Unknown, 0, "HTTP status 408"},
		"reset, not stored":        {slacksim.Fault{Reset: true}, notifier.Unknown, 0, "slack: "},
	}
	for name, tc := range cases {
		sim.Fail("chat.postMessage", tc.fault)
		_, err := n.Send(t.Context(), channel("general"), notifiertest.Message())
		_, after := notifier.VerdictOf(err)
		mustBe(t, err, tc.want, tc.text)
		require.Equal(t, tc.after, after, name)
	}
}

func TestMissingScopeIsNamed(t *testing.T) {
	t.Parallel()
	_, n := workspace(t, slacksim.Options{Tokens: map[string][]string{slacksim.DefaultToken: {"channels:read"}}})
	_, err := n.Send(t.Context(), channel("general"), notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: missing_scope chat:write (add the scope")
}

func TestSlacksOwnWordsAboutBadBlocksAreKept(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	sim.Fail("chat.postMessage", slacksim.Fault{
		Body: `{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be less than 151\ncharacters"]}}`,
	})
	_, err := n.Send(t.Context(), channel("general"), notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: invalid_blocks: [ERROR] must be less than 151 characters")
}

func TestARotatedTokenIsTakenUp(t *testing.T) {
	t.Parallel()
	sim := slacksim.New(slacksim.Options{})
	t.Cleanup(sim.Close)
	secret := token(t, slacksim.DefaultToken)
	n, err := slack.New(slack.Config{Token: secret, APIURL: exchange.BaseURL(sim.URL())}, nil)
	require.NoError(t, err)
	send := func() error {
		_, err := n.Send(t.Context(), channel("general"), notifiertest.Message())
		return err
	}
	require.NoError(t, send())

	sim.SetToken(slacksim.DefaultToken)
	sim.SetToken("xoxb-new-token", "chat:write", "chat:write.public")
	mustBe(t, send(), notifier.Permanent, "invalid_auth")
	require.NoError(t, os.WriteFile(secret.File, []byte("xoxb-new-token"), 0o600))
	require.NoError(t, send())
	require.Equal(t, "xoxb-new-token", sim.Messages("general")[1].Token)

	require.NoError(t, os.Remove(secret.File))
	mustBe(t, send(), notifier.Retry, "slack: token: read secret")
	require.Len(t, sim.Messages("general"), 2)
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := token(t, "xoxb-1")
	missing := notifier.Secret{File: filepath.Join(t.TempDir(), "missing")}
	cases := map[string]struct {
		config any
		want   string
	}{
		"no such file": {&slack.Config{Token: missing}, missing.File},
		"unset":        {&slack.Config{Token: notifier.Secret{Env: "FLYTE_NOTIFIER_TEST_UNSET"}}, "env:FLYTE_NOTIFIER_TEST_UNSET"},
		"not a config": {slack.Config{}, "config is a slack.Config"},
	}
	for name, tc := range cases {
		_, err := slack.Manifest().New(tc.config, notifier.Deps{})
		require.ErrorContains(t, err, "open slack: ", name)
		require.ErrorContains(t, err, tc.want, name)
	}
	n, err := slack.Manifest().New(&slack.Config{Token: good}, notifier.Deps{HTTP: http.DefaultClient})
	require.NoError(t, err)
	require.NotNil(t, n)
}

func TestManifestIsComplete(t *testing.T) {
	t.Parallel()
	m := slack.Manifest()
	require.NotPanics(t, func() { notifier.NewRegistry(m) })
	require.IsType(t, &slack.Destination{}, m.Destination())
	require.IsType(t, &slack.Config{}, m.Config())
	require.Equal(t, notifier.Rate{PerSecond: 1, Burst: 1}, m.Rate)
	require.NotEmpty(t, m.Guarantee)
}

func TestConfigKeys(t *testing.T) {
	t.Parallel()
	var c slack.Config
	require.NoError(t, json.Unmarshal([]byte(`{"token":{"env":"SLACK_BOT_TOKEN"},"api_url":"http://127.0.0.1:8/api"}`), &c))
	require.Equal(t, slack.Config{Token: notifier.Secret{Env: "SLACK_BOT_TOKEN"}, APIURL: "http://127.0.0.1:8/api"}, c)
}

func TestCheckTellsWhetherTheTokenMayPost(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	require.NoError(t, n.Check(t.Context()))
	sim.SetToken(slacksim.DefaultToken, "channels:read", "chat:write.public")
	mustBe(t, n.Check(t.Context()), notifier.Permanent, "missing_scope chat:write", "OAuth & Permissions")
	sim.SetToken(slacksim.DefaultToken)
	mustBe(t, n.Check(t.Context()), notifier.Permanent, "slack: invalid_auth", "bot token")
	sim.Fail("auth.test", slacksim.Fault{Status: 500})
	mustBe(t, n.Check(t.Context()), notifier.Retry, "HTTP status 500")
	sim.Fail("auth.test", slacksim.Fault{Body: `{"ok":false}`})
	mustBe(t, n.Check(t.Context()), notifier.Retry, "neither answered nor refused")
	sim.Fail("auth.test", slacksim.Fault{Body: `{"ok":true,"user_id":"U1"}`})
	require.NoError(t, n.Check(t.Context()), "a proxy may have taken the scopes away")
}

// TestEachScopeOfThePageIsAdvised with what the page says of it.
func TestEachScopeOfThePageIsAdvised(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	advice, err := n.Advise(t.Context())
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/notifiers/slack.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(page), "| scope | why | without it |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	require.Len(t, advice, len(rows)-1, "all but chat:write, which Check asks for")
	for i, row := range rows[1:] {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		require.Len(t, cells, 3, row)
		want := "without " + strings.ReplaceAll(cells[0], "`", "") + ": " + cells[2] + " (add the scope under OAuth & Permissions and reinstall the app)"
		require.Equal(t, want, advice[i])
	}
	sim.SetToken(slacksim.DefaultToken)
	_, err = n.Advise(t.Context())
	mustBe(t, err, notifier.Permanent, "slack: invalid_auth")
	sim.Fail("auth.test", slacksim.Fault{Body: `{"ok":true,"user_id":"U1"}`})
	advice, err = n.Advise(t.Context())
	require.NoError(t, err)
	require.Empty(t, advice, "a proxy may have taken the scopes away")
}

func TestNoErrorTellsTheTokenEvenCutInTwo(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	for _, before := range []int{0, 150, 260, 280, 290, 299, 310} {
		sim.Fail("chat.postMessage", slacksim.Fault{Error: strings.Repeat("x", before) + slacksim.DefaultToken})
		_, err := n.Send(t.Context(), channel("general"), notifiertest.Message())
		require.Error(t, err)
		require.NotContains(t, err.Error(), slacksim.DefaultToken[:9])
	}
}
