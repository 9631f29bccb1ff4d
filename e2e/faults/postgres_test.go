package faults

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// recovery is how soon servers work again once Postgres does.
const recovery = 10 * time.Second

// Postgres is restarted, and crashes, in the midst of the work: the servers recover by themselves.
func TestPostgresRestarts(t *testing.T) {
	t.Parallel()
	postgres := pgtest.Start(t, pgtest.Options{})
	c := newCluster(t, postgres.Database(t))
	c.start(2)
	l := c.load(30)
	l.awaitChanges(60)
	for _, mode := range []pgtest.Mode{pgtest.Fast, pgtest.Immediate, pgtest.Killed} {
		require.NoError(t, postgres.Restart(t.Context(), mode))
		t.Logf("mode %d: works again after %s", mode, l.recovers().Round(time.Millisecond))
	}
	c.check(l.settled(rescue))
}

// recovers waits until every server is ready, tasks are accepted and what changes is told: all of it
// from now on. It returns how long that took.
func (l *load) recovers() time.Duration {
	c, begun := l.c, time.Now()
	c.t.Helper()
	for _, s := range c.servers {
		c.eventually(recovery-time.Since(begun), s.name+" is ready", func() bool {
			code, err := s.Get(c.ctx, "/readyz")
			require.NoError(c.t, err)
			return code == http.StatusOK
		})
	}
	c.eventually(recovery-time.Since(begun), "a change is told", func() bool { return l.toldSince(begun) })
	return time.Since(begun)
}

// toldSince says whether a change of later than the moment is at Slack.
func (l *load) toldSince(moment time.Time) bool {
	posts := l.c.slack.Messages("")
	posts = posts[max(0, len(posts)-100):]
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range posts {
		if name, _ := about(slacksim.Render(m)); l.changes[name].at.After(moment) {
			return true
		}
	}
	return false
}

// The primary is killed and its synchronous standby promoted: the servers, which know both, find the
// one that takes writes, and nothing that was acknowledged is lost.
func TestPostgresFailsOver(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t, pgtest.Options{})
	database := primary.Database(t)
	standby, err := primary.Standby(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, standby.Close()) })
	u, err := url.Parse(database)
	require.NoError(t, err)
	c := newCluster(t, pgtest.URL(u.Path[1:], primary, standby))
	c.start(3)
	l := c.load(30)
	l.awaitChanges(60)
	require.NoError(t, primary.Stop(pgtest.Killed))
	down := c.caller.failed()
	c.eventually(patience, "tasks are refused", func() bool { return c.caller.failed() > down })
	require.NoError(t, standby.Promote(t.Context()))
	t.Logf("works again %s after the standby was promoted", l.recovers().Round(time.Millisecond))
	l.awaitChanges(30)
	c.check(l.settled(rescue))
}
