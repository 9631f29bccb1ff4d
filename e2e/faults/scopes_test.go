package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

// moves is how soon others watch what a server watched that is gone.
const moves = 5 * time.Second

// Scopes are watched by one server each, evenly, and by others soon after a server died or stopped.
func TestScopesMoveToOthers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, pgtest.Database(t))
	c.start(3)
	names := c.runningIn(9)
	c.awaitSpread(names, 3, 3, 3)

	require.NoError(t, c.servers[0].Kill())
	t.Logf("killed: others watch after %s", c.awaitTaken(moves, names, c.servers[0], time.Now()).Round(time.Millisecond))
	c.awaitSpread(names, 0, 4, 5)
	c.serve(c.servers[0])
	c.awaitSpread(names, 3, 3, 3)
	require.NoError(t, c.servers[1].Terminate())
	t.Logf("stopped: others watch after %s", c.awaitTaken(moves, names, c.servers[1], time.Now()).Round(time.Millisecond))
	c.awaitSpread(names, 0, 4, 5)
	<-c.servers[1].Ended()
	c.serve(c.servers[1])
	c.awaitSpread(names, 3, 3, 3)
	require.Less(t, c.longestGap(names), moves)
}

// A server stands still with all its connections open, as a virtual machine does that is moved, for
// longer than Postgres waits for it. Others take over; and when it goes on, it does so where it stood,
// believing that it holds what others hold by now.
func TestOneServerStandsStill(t *testing.T) {
	t.Parallel()
	c := newCluster(t, pgtest.Database(t))
	c.start(3)
	names := c.runningIn(9)
	c.awaitSpread(names, 3, 3, 3)
	l := c.load(20)
	l.awaitChanges(20)
	still := c.servers[1]
	require.NoError(t, still.Freeze())
	since := time.Now()
	t.Logf("frozen: others watch after %s", c.awaitTaken(patience, names, still, since).Round(time.Millisecond))
	l.awaitChanges(20)
	require.NoError(t, still.Thaw())
	thawed := time.Now()
	c.eventually(patience, "it takes part again", func() bool {
		return slices.ContainsFunc(c.polls(still), func(p poll) bool { return p.at.After(thawed) })
	})
	l.awaitChanges(20)
	c.check(l.settled(rescue))
}

// runningIn starts an execution in each of n scopes and returns the scopes.
func (c *cluster) runningIn(n int) (projects []string) {
	c.t.Helper()
	for i := range n {
		id := flyte.ExecutionID{Scope: flyte.Scope{Project: fmt.Sprintf("q%d", i), Domain: "production"}, Name: "long"}
		c.flyte.Create(flytesim.Execution{ID: id, Workflow: "train"})
		c.flyte.SetPhase(id, "RUNNING")
		_, err := c.caller.create(c.ctx, id, told(channel(0), false))
		require.NoError(c.t, err)
		projects = append(projects, id.Scope.Project)
	}
	return projects
}

// poll is one look at a scope for what changed.
type poll struct {
	project string
	at      time.Time
}

// polls are those of a server, in order.
func (c *cluster) polls(s *server) (all []poll) {
	for _, call := range s.toAdmin.Calls("ListExecutions") {
		r := &admin.ResourceListRequest{}
		if call.Request(0, r) != nil {
			continue // a call whose message never came: it was frozen, or cut off, between the two
		}
		if strings.Contains(r.GetFilters(), "updated_at") {
			all = append(all, poll{r.GetId().GetProject(), call.Start})
		}
	}
	return all
}

// awaitTaken waits, at most as long, until every scope was looked at by another server since. It
// returns how long after that moment it was.
func (c *cluster) awaitTaken(within time.Duration, projects []string, gone *server, since time.Time) time.Duration {
	c.t.Helper()
	c.eventually(within, "others watch all scopes", func() bool {
		seen := map[string]bool{}
		for _, s := range c.servers {
			for _, p := range c.polls(s) {
				if s != gone && p.at.After(since) {
					seen[p.project] = true
				}
			}
		}
		return !slices.ContainsFunc(projects, func(p string) bool { return !seen[p] })
	})
	return time.Since(since)
}

// awaitSpread waits until the scopes are spread over the servers by these numbers, in ascending
// order, and each is watched by one server alone.
func (c *cluster) awaitSpread(projects []string, want ...int) {
	c.t.Helper()
	begun := time.Now()
	c.eventually(patience, fmt.Sprintf("scopes are spread as %v", want), func() bool {
		window := max(begun.UnixNano(), time.Now().Add(-2*c.config.Interval).UnixNano())
		var got []int
		watched := map[string]int{}
		for _, s := range c.servers {
			mine := map[string]bool{}
			for _, p := range c.polls(s) {
				if p.at.UnixNano() > window {
					mine[p.project] = true
				}
			}
			for project := range mine {
				watched[project]++
			}
			got = append(got, len(mine))
		}
		slices.Sort(got)
		return len(watched) == len(projects) && slices.Equal(got, want)
	})
}

// longestGap is the longest time for which nobody looked at one of the scopes.
func (c *cluster) longestGap(projects []string) (longest time.Duration) {
	c.t.Helper()
	all := map[string][]time.Time{}
	for _, s := range c.servers {
		for _, p := range c.polls(s) {
			all[p.project] = append(all[p.project], p.at)
		}
	}
	for _, project := range projects {
		times := slices.SortedFunc(slices.Values(all[project]), time.Time.Compare)
		for i := range len(times) - 1 {
			longest = max(longest, times[i+1].Sub(times[i]))
		}
	}
	c.t.Logf("longest time without a look at a scope: %s", longest.Round(time.Millisecond))
	return longest
}
