package slack_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

// staff is a workspace with a bit of everything.
func staff() slacksim.Options {
	return slacksim.Options{
		PageSize: 2,
		Users:    []slacksim.User{{ID: "U0ADA", Name: "ada", Email: "ada@example.org"}},
		Channels: []slacksim.Channel{
			{ID: "C1", Name: "one"},
			{ID: "C2", Name: "two"},
			{ID: "C3", Name: "old", Archived: true},
			{ID: "G4", Name: "team", Private: true},
			{ID: "G5", Name: "hidden", Private: true, NotMember: true},
			{ID: "C6", Name: "last", NotMember: true},
		},
	}
}

func TestResolveFindsEachKindOfName(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, staff())
	for want, d := range map[string]*slack.Destination{
		"C1 [#one C1]": channel("#one"), "C2 [#two C2]": channel("two"), "G4 [#team G4]": channel("team"),
		"C6 [#last C6]": channel("C6"), "G5 [G5]": channel("G5"), "C404 [C404]": channel("C404"),
		" [#old]": channel("#old"), " [#hidden]": channel("#hidden"), " [#none]": channel("none"),
	} {
		found, err := n.Resolve(t.Context(), d)
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(found.ID, " ", found.Names))
	}
	found, err := n.Resolve(t.Context(), &slack.Destination{Email: "Ada@example.org"})
	require.NoError(t, err)
	require.Equal(t, byte('D'), found.ID[0])
	require.Equal(t, []string{found.ID, "email:ada@example.org"}, found.Names)
	require.Empty(t, sim.Messages(""), "resolving sends nothing")

	again, err := n.Resolve(t.Context(), channel("#one").WithID("C1"))
	require.NoError(t, err)
	require.Equal(t, notifier.Resolved{ID: "C1", Names: []string{"#one", "C1"}}, again)
}

func TestResolveWithFewerScopes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		scopes []string
		d      *slack.Destination
		want   string
	}{
		{[]string{"chat:write", "channels:read"}, channel("one"), "C1 [#one C1]"},
		{[]string{"chat:write", "channels:read"}, channel("team"), " [#team]"},
		{[]string{"chat:write", "groups:read"}, channel("team"), "G4 [#team G4]"},
		{[]string{"chat:write"}, channel("one"), " [#one]"},
		{[]string{"chat:write"}, channel("C1"), "C1 [C1]"},
		{[]string{"chat:write", "users:read.email"}, &slack.Destination{Email: "ada@example.org"}, "U0ADA [U0ADA email:ada@example.org]"},
	}
	for _, tc := range cases {
		sim, n := workspace(t, staff())
		sim.SetToken(slacksim.DefaultToken, tc.scopes...)
		found, err := n.Resolve(t.Context(), tc.d)
		require.NoError(t, err)
		require.Equal(t, tc.want, fmt.Sprint(found.ID, " ", found.Names))
		d := notifier.Destination(tc.d)
		if found.ID != "" {
			d = tc.d.WithID(found.ID)
		}
		_, err = n.Send(t.Context(), d, notifiertest.Message())
		require.NoError(t, err, "unresolved or not, the message goes out")
	}
	sim, n := workspace(t, staff())
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	_, err := n.Resolve(t.Context(), &slack.Destination{Email: "ada@example.org"})
	mustBe(t, err, notifier.Permanent, "missing_scope users:read.email")
}

func TestResolveWhereSlackLacksTheMethod(t *testing.T) {
	t.Parallel()
	for _, f := range []slacksim.Fault{{Error: "unknown_method", Times: -1}, {Status: 404, Times: -1}, {Status: 501, Times: -1}} {
		sim, n := workspace(t, staff())
		sim.Fail(slacksim.Any, f)
		found, err := n.Resolve(t.Context(), channel("one"))
		require.NoError(t, err)
		require.Equal(t, notifier.Resolved{Names: []string{"#one"}}, found)
		found, err = n.Resolve(t.Context(), channel("C1"))
		require.NoError(t, err)
		require.Equal(t, notifier.Resolved{ID: "C1", Names: []string{"C1"}}, found)
	}
}

func TestResolveErrorsAreClassified(t *testing.T) {
	t.Parallel()
	person := &slack.Destination{Email: "ada@example.org"}
	cases := []struct {
		method string
		d      *slack.Destination
		fault  slacksim.Fault
		want   notifier.Verdict
		after  time.Duration
	}{
		{"conversations.list", channel("one"), slacksim.Fault{Status: 429, RetryAfter: "9"}, notifier.Retry, 9 * time.Second},
		{"conversations.list", channel("one"), slacksim.Fault{Status: 500}, notifier.Retry, 0},
		{"conversations.list", channel("one"), slacksim.Fault{Error: "fatal_error"}, notifier.Retry, 0},
		{"conversations.list", channel("one"), slacksim.Fault{Error: "invalid_auth"}, notifier.Permanent, 0},
		{"conversations.list", channel("one"), slacksim.Fault{Reset: true}, notifier.Retry, 0},
		{"conversations.info", channel("C1"), slacksim.Fault{Status: 503}, notifier.Retry, 0},
		{"conversations.info", channel("C1"), slacksim.Fault{Error: "account_inactive"}, notifier.Permanent, 0},
		{"users.lookupByEmail", person, slacksim.Fault{Status: 429, RetryAfter: "9"}, notifier.Retry, 9 * time.Second},
		{"users.lookupByEmail", person, slacksim.Fault{Error: "users_not_found"}, notifier.Permanent, 0},
		{"users.lookupByEmail", person, slacksim.Fault{Body: `{"ok":false}`}, notifier.Retry, 0},
		{"conversations.open", person, slacksim.Fault{Status: 502}, notifier.Retry, 0},
		{"conversations.open", person, slacksim.Fault{Error: "user_disabled"}, notifier.Permanent, 0},
	}
	for _, tc := range cases {
		sim, n := workspace(t, staff())
		sim.Fail(tc.method, tc.fault)
		_, err := n.Resolve(t.Context(), tc.d)
		_, after := notifier.VerdictOf(err)
		mustBe(t, err, tc.want, "slack: ")
		require.Equal(t, tc.after, after)
		_, err = n.Resolve(t.Context(), tc.d)
		require.NoError(t, err, "once it is over")
	}
	sim, n := workspace(t, staff())
	sim.Fail("conversations.open", slacksim.Fault{Reset: true})
	_, err := n.Resolve(t.Context(), person)
	require.NotContains(t, err.Error(), "unreadable answer", "the answer before it was another call's")

	sim.Fail("conversations.open", slacksim.Fault{Body: `{"ok":true}`})
	found, err := n.Resolve(t.Context(), person)
	require.NoError(t, err)
	require.Equal(t, "U0ADA", found.ID)
}

// TestChannelsAreListedOnceForManyNames, whether they are there or not: Slack allows few calls a minute.
func TestChannelsAreListedOnceForManyNames(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, staff())
	resolve := func(name string) string {
		found, err := n.Resolve(t.Context(), channel(name))
		assert.NoError(t, err)
		return found.ID
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { assert.Empty(t, resolve(fmt.Sprint("new", i))) })
	}
	all.Wait()
	require.Equal(t, "C1", resolve("one"), "the others are known")
	calls := sim.Calls("conversations.list")
	require.LessOrEqual(t, calls, 2, "all pages once")
	require.Equal(t, "C1", resolve("one"))
	require.Equal(t, calls, sim.Calls("conversations.list"))

	sim, n = workspace(t, staff())
	sim.SetToken(slacksim.DefaultToken, "chat:write")
	require.Empty(t, resolve("two"))
	calls = sim.Calls("conversations.list")
	require.Empty(t, resolve("last"))
	require.Equal(t, calls, sim.Calls("conversations.list"), "a token that may list nothing is not asked for any name")
}

func TestWhoWaitsForTheListingMayGiveUp(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, staff())
	sim.Fail("conversations.list", slacksim.Fault{Hang: true, Times: -1})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			_, err := n.Resolve(ctx, channel("one"))
			mustBe(t, err, notifier.Retry, "slack: ")
		})
	}
	stop()
	all.Wait()
	sim.Heal("conversations.list")
	found, err := n.Resolve(t.Context(), channel("one"))
	require.NoError(t, err)
	require.Equal(t, "C1", found.ID)
}

func TestHugeWorkspacesAreNotListedToTheEnd(t *testing.T) {
	t.Parallel()
	o := slacksim.Options{PageSize: 1}
	for i := range 30 {
		o.Channels = append(o.Channels, slacksim.Channel{Name: fmt.Sprintf("c%d", i)})
	}
	sim, n := workspace(t, o)
	found, err := n.Resolve(t.Context(), channel("c29"))
	require.NoError(t, err)
	require.Empty(t, found.ID)
	require.Equal(t, 20, sim.Calls("conversations.list"))
	found, err = n.Resolve(t.Context(), channel("c19"))
	require.NoError(t, err)
	require.NotEmpty(t, found.ID)
}

func TestResolveWithoutAConnection(t *testing.T) {
	t.Parallel()
	n := open(t, "http://127.0.0.1:1/api/", &http.Client{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Resolve(ctx, channel("one"))
	mustBe(t, err, notifier.Retry, "slack: ")
	require.ErrorIs(t, err, context.Canceled)
	_, err = n.Resolve(ctx, nil)
	mustBe(t, err, notifier.Permanent)
}
