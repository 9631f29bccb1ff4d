package faults

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

// outage is how long no server runs at all: several reminders long.
const outage = 5 * remindEvery

// Executions that last too long, that fail in groups and in quiet hours, that nobody but a subscription
// watches, and some that somebody silences: of all of them servers tell that are killed at random, then all
// at once, and that a new one replaces. Each message is at Slack once, reminders end when somebody has
// acknowledged, and nothing is sent that is silenced.
func TestRulesWhileServersAreKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, pgtest.Database(t), subscribe(subscriptions(quietFor(time.Now()))))
	c.slack.Fail("chat.postMessage", slackTakes)
	s := c.stories()
	s.older() // than the subscriptions, which the first server brings into being
	c.start(3)
	s.begin()
	s.silences(rand.N(*chaos / 4))
	c.killAtRandom(*chaos*3/5, killEvery/2)
	for _, server := range c.servers {
		require.NoError(t, server.Kill())
	}
	down := time.Now()
	old := c.servers
	<-time.After(outage)
	c.start(1)
	c.eventually(patience, "a new server catches up", func() bool { return s.caughtUp(down, down.Add(outage)) })
	t.Logf("a new server told of what happened in an outage of %s within %s", outage, (time.Since(down) - outage).Round(time.Millisecond))
	for _, server := range old {
		c.serve(server)
	}
	s.settled(rescue)
	rows := s.check()
	s.checkReminders(rows)
	s.checkDigests(rows)
	s.checkSilence(rows)
}

// Somebody silences executions while several servers tell of many: soon none of them sends what it matches, until it
// is over, and all of them go on with the rest.
func TestSilenceWhileServersTell(t *testing.T) {
	t.Parallel()
	c := newCluster(t, pgtest.Database(t), subscribe(subscriptions(quietFor(time.Now()))))
	c.start(3)
	s := c.stories()
	each(s.ctx, &s.work, 20, s.hushing)
	s.silences(2 * time.Second)
	c.eventually(patience, "what ends when the silence is over is told", s.overSilence)
	s.settled(rescue)
	s.checkSilence(s.check())
}
