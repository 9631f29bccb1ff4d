package faults

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/netns"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// The network between one of three servers and Postgres swallows everything for a while, so that
// neither side sees the other's end; the server still reaches flyteadmin and Slack, and is in the midst
// of sends. Others take its scopes over, nothing happens twice, and it takes part again afterwards.
func TestOneServerIsCutOffFromPostgres(t *testing.T) {
	t.Parallel()
	space := netns.New(t)
	toPostgres, toRest := space.Link(), space.Link()
	postgres := pgtest.Start(t, pgtest.Options{Settings: map[string]string{
		"listen_addresses": "127.0.0.1," + toPostgres.Outside.String(),
	}})
	database := postgres.Database(t)
	admit(t, postgres, toPostgres.Inside.String())

	c := newClusterAt(t, toRest.Outside.String(), database)
	c.mails = false // SendGrid listens where that server does not reach it
	c.start(2)
	away := c.add(toRest.Inside.String(), func(a *agentproc.Config) {
		a.Command = space.Command
		a.Store = through(t, database, toPostgres.Outside.String())
	})
	c.serve(away)
	names := c.runningIn(9)
	c.awaitSpread(names, 3, 3, 3)
	l := c.load(20)
	l.awaitChanges(40)

	// Slack is slow, so that the server is in the midst of sends, which Slack then takes.
	c.slack.Fail("chat.postMessage", slacksim.Fault{Times: 60, Latency: 2 * time.Second})
	before := c.slack.Calls("chat.postMessage")
	c.eventually(patience, "sends are under way", func() bool { return c.slack.Calls("chat.postMessage") >= before+30 })
	toPostgres.Cut()
	cut := time.Now()
	t.Logf("cut off: others watch after %s", c.awaitTaken(moves, names, away, cut).Round(time.Millisecond))
	c.eventually(patience, "it watches nothing any more", func() bool {
		return !slices.ContainsFunc(c.polls(away), func(p poll) bool { return time.Since(p.at) < 2*c.config.Interval })
	})
	c.eventually(patience, "it cannot record what it sent", func() bool {
		return len(away.Log.Lines("outcome cannot be recorded yet")) > 0
	})
	mended := time.Now()
	toPostgres.Mend()
	c.eventually(patience, "it takes part again", func() bool {
		return slices.ContainsFunc(c.polls(away), func(p poll) bool { return p.at.After(mended) })
	})
	t.Logf("it was cut off for %s, and took part again %s after that", mended.Sub(cut).Round(time.Millisecond), time.Since(mended).Round(time.Millisecond))
	l.awaitChanges(20)
	c.check(l.settled(rescue))
}

// admit lets clients at the address in.
func admit(t *testing.T, s *pgtest.Server, address string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(""))
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var path string
	require.NoError(t, conn.QueryRow(t.Context(), "SHOW hba_file").Scan(&path))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = fmt.Fprintf(f, "host all all %s/32 trust\n", address)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT pg_reload_conf()")
	require.NoError(t, err)
}

// through is the URL by way of another address of the server.
func through(t *testing.T, database, host string) string {
	t.Helper()
	u, err := url.Parse(database)
	require.NoError(t, err)
	u.Host = at(host, u.Host)
	return u.String()
}
