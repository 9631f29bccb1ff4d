package faults

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// releasedVariable names the binary of an earlier release, to upgrade from.
const releasedVariable = "FLYTE_NOTIFIER_RELEASED_BIN"

// released makes the first servers those of an earlier release, and returns what makes them new.
func released(t *testing.T) (old setting, upgrade func(*server)) {
	t.Helper()
	path := os.Getenv(releasedVariable)
	if path == "" {
		t.Skipf("%s names no binary of an earlier release", releasedVariable)
	}
	binary, err := agentproc.Find()
	require.NoError(t, err)
	return func(a *agentproc.Config) { a.Binary = path }, func(s *server) { s.Upgrade(binary) }
}

// The released server dies in the midst of its sends, and this one goes on with its store.
func TestUpgradeOnSQLite(t *testing.T) {
	t.Parallel()
	old, upgrade := released(t)
	c := newCluster(t, "", old)
	c.start(1)
	l := c.load(50)
	l.awaitChanges(100)
	c.slack.Fail("chat.postMessage", slacksim.Fault{Times: 40, Latency: 2 * time.Second})
	before := c.slack.Calls("chat.postMessage")
	c.eventually(patience, "sends are under way", func() bool { return c.slack.Calls("chat.postMessage") > before+10 })
	require.NoError(t, c.servers[0].Kill())
	upgrade(c.servers[0])
	c.serve(c.servers[0])
	l.awaitChanges(100)
	c.check(l.settled(patience))
}

// Released servers are replaced one by one: those that are left go on with the store that the first of
// this version has migrated.
func TestUpgradeOnPostgres(t *testing.T) {
	t.Parallel()
	old, upgrade := released(t)
	c := newCluster(t, pgtest.Database(t), old)
	first := c.add(loopback, func(*agentproc.Config) {})
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := first.Start(ctx); err != nil && len(first.Log.Lines("store.url: not supported by this version")) > 0 {
		t.Skip("the earlier release does not know Postgres")
	} else {
		require.NoError(t, err)
	}
	c.start(2)
	l := c.load(50)
	l.awaitChanges(50)
	for _, s := range c.servers {
		c.stop(s)
		upgrade(s)
		c.serve(s)
		l.awaitChanges(50)
	}
	c.check(l.settled(rescue))
}
