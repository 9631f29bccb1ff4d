package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

// A channel's rate is that of all servers together.
func TestServersShareARate(t *testing.T) {
	t.Parallel()
	const messages = 16
	rate := agentproc.Rate{PerSecond: 1, Burst: 5}
	c := newCluster(t, pgtest.Database(t), func(a *agentproc.Config) { a.Rate = rate })
	c.start(3)
	for i := range messages {
		id := flyte.ExecutionID{Scope: flyte.Scope{Project: fmt.Sprintf("p%d", i%scopes), Domain: "production"}, Name: fmt.Sprintf("run-%d", i)}
		c.flyte.Create(flytesim.Execution{ID: id, Workflow: "train"})
		c.flyte.SetPhase(id, "SUCCEEDED")
		_, err := c.caller.create(c.ctx, id, told(channel(0), false))
		require.NoError(t, err)
	}
	posts, err := c.slack.Await(c.ctx, channel(0), messages)
	require.NoError(t, err)
	// A message may take this much longer from its token to Slack than one after it.
	const late = 1.0
	for i, first := range posts {
		for j, last := range posts[i:] {
			allowed := float64(rate.Burst) + float64(rate.PerSecond)*(last.Posted.Sub(first.Posted).Seconds()+late)
			require.LessOrEqual(t, float64(j+1), allowed, "messages within %s", last.Posted.Sub(first.Posted))
		}
	}
	took := posts[messages-1].Posted.Sub(posts[0].Posted)
	t.Logf("%d messages in %s", messages, took.Round(time.Millisecond))
	require.Less(t, took, 2*time.Duration(messages-rate.Burst)*time.Second, "nobody waits for nothing")
	c.stopAll()
	require.Len(t, c.slack.Messages(""), messages)
}
