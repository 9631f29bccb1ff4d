package faults

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// slackTakes is how long Slack takes for every message, so that some are always under way.
var slackTakes = slacksim.Fault{Times: -1, Latency: 200 * time.Millisecond}

// killEvery is how often a server is killed at random.
const killEvery = 5 * time.Second

// Three servers are replaced one after the other, as a rolling upgrade does: each new one migrates the
// store that the others work on. Then all are replaced once more, at once.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, pgtest.Database(t))
	c.slack.Fail("chat.postMessage", slackTakes)
	c.start(3)
	l := c.load(50)
	l.awaitChanges(50)
	for _, s := range c.servers {
		c.stop(s)
		c.serve(s)
		l.awaitChanges(50)
	}
	// Who starts together migrates once.
	for _, s := range c.servers {
		require.NoError(t, s.Terminate())
	}
	for _, s := range c.servers {
		<-s.Ended()
		c.serve(s)
	}
	l.awaitChanges(50)
	c.check(l.settled(rescue))
}

// A random server is killed every five seconds, and started again at once.
func TestServersKilledAtRandom(t *testing.T) {
	t.Parallel()
	c := newCluster(t, pgtest.Database(t))
	c.slack.Fail("chat.postMessage", slackTakes)
	c.start(3)
	l := c.load(50)
	l.awaitChanges(50)
	c.killAtRandom(*chaos, killEvery)
	g := l.settled(rescue)
	c.check(g)
	require.Less(t, percentile(g.detection(), 99), 10*time.Second)
}

// killAtRandom kills a random server now and then, for so long, and starts it again.
func (c *cluster) killAtRandom(long, every time.Duration) {
	c.t.Helper()
	over := time.After(long)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for kills := 0; ; kills++ {
		select {
		case <-over:
			c.t.Logf("%d kills in %s", kills, long)
			return
		case <-tick.C:
			s := c.servers[rand.IntN(len(c.servers))]
			require.NoError(c.t, s.Kill())
			c.serve(s)
		}
	}
}
