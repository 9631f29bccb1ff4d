package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// ledger is what became of a load.
type ledger struct {
	changes map[string]change
	rows    []agentproc.Row
	posts   map[string][]time.Time // at Slack, by execution's name
	mails   map[string]int         // at SendGrid
}

// about is the execution that a text tells of, and how it ended.
func about(text string) (name, phase string) {
	_, rest, _ := strings.Cut(text, "[")
	name, rest, _ = strings.Cut(rest, "] ")
	phase, _, _ = strings.Cut(rest, "\n")
	return name, phase
}

// settled ends the load and waits, at most as long, until all of it is told and nothing is pending.
// Then it stops the servers, so that every count is final.
func (l *load) settled(within time.Duration) ledger {
	l.c.t.Helper()
	changes := l.end()
	var rows []agentproc.Row
	took, ok := l.c.wait(within, func() bool {
		var err error
		rows, err = l.c.rows()
		return err == nil && len(rows) == expected(changes) && len(pending(rows)) == 0
	})
	l.c.t.Logf("settled %s after the load's end", took.Round(time.Millisecond))
	if !ok {
		l.c.t.Errorf("%d deliveries of %d, not recorded: %v, still pending: %+v", len(rows), expected(changes), unrecorded(changes, rows), pending(rows))
	}
	l.c.stopAll()
	return l.c.ledger(changes)
}

func pending(rows []agentproc.Row) []agentproc.Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r agentproc.Row) bool { return r.State != "pending" })
}

// unrecorded are the executions of whose change no delivery was made, and when that was.
func unrecorded(changes map[string]change, rows []agentproc.Row) map[string]change {
	missing := maps.Clone(changes)
	for _, r := range rows {
		delete(missing, r.Name)
	}
	return missing
}

// expected is how many deliveries the changes make.
func expected(changes map[string]change) int {
	n := len(changes)
	for _, c := range changes {
		if c.mail {
			n++
		}
	}
	return n
}

// rows are the store's deliveries.
func (c *cluster) rows() ([]agentproc.Row, error) { return c.clerk.Deliveries() }

func (c *cluster) ledger(changes map[string]change) ledger {
	c.t.Helper()
	rows, err := c.rows()
	require.NoError(c.t, err)
	g := ledger{changes: changes, rows: rows, posts: map[string][]time.Time{}, mails: map[string]int{}}
	for _, m := range c.slack.Messages("") {
		name, phase := about(slacksim.Render(m))
		require.Equal(c.t, changes[name].phase, phase, name)
		g.posts[name] = append(g.posts[name], m.Posted)
	}
	for _, m := range c.mail.Mails() {
		name, _ := about(m.Text)
		g.mails[name]++
	}
	return g
}

// lost and doubled are executions that Slack was not told of, and those more than once.
func (g ledger) lost() (names []string) {
	for name, c := range g.changes {
		if len(g.posts[name]) == 0 || c.mail && g.mails[name] == 0 {
			names = append(names, name)
		}
	}
	return names
}

func (g ledger) doubled() (names []string) {
	for name, posts := range g.posts {
		if len(posts) > 1 {
			names = append(names, name)
		}
	}
	return names
}

// detection is how long after a change its deliveries were recorded, sorted.
func (g ledger) detection() []time.Duration {
	var all []time.Duration
	for _, r := range g.rows {
		all = append(all, r.CreatedAt.Sub(g.changes[r.Name].at))
	}
	slices.Sort(all)
	return all
}

// told is how long after a change it was at Slack, sorted.
func (g ledger) told() []time.Duration {
	var all []time.Duration
	for name, posts := range g.posts {
		all = append(all, posts[0].Sub(g.changes[name].at))
	}
	slices.Sort(all)
	return all
}

// late are the executions of which Slack was told later than a kill alone explains, with how long that
// took and how many attempts. Servers that are killed all the time can meet a delivery twice.
func (g ledger) late() (all []string) {
	for _, r := range g.rows {
		posts := g.posts[r.Name]
		if r.Notifier != "slack" || len(posts) == 0 {
			continue
		}
		if d := posts[0].Sub(g.changes[r.Name].at); d > rescue {
			all = append(all, fmt.Sprintf("%s %s, attempts %d, recorded after %s", r.Name, d.Round(time.Second), r.Attempts,
				r.CreatedAt.Sub(g.changes[r.Name].at).Round(time.Millisecond)))
		}
	}
	return all
}

func percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return all[min(int(float64(len(all))*p/100), len(all)-1)].Round(time.Millisecond)
}

// check fails the test unless all was told, Slack heard it once, and only mails whose outcome was
// unknown went twice.
func (c *cluster) check(g ledger) {
	c.t.Helper()
	doubleMails := 0
	for _, r := range g.rows {
		require.Equal(c.t, "delivered", r.State, r.LastError)
		if n := g.mails[r.Name]; r.Notifier == "sendgrid" && n > 1 {
			doubleMails += n - 1
			require.True(c.t, r.Double, "%s was mailed %d times", r.Name, n)
			require.LessOrEqual(c.t, n, r.Attempts, r.Name)
		}
	}
	d, s := g.detection(), g.told()
	c.t.Logf("%d changes: lost %d, doubles %d (mails: %d); detection p50 %s p99 %s max %s; at Slack p50 %s p99 %s max %s; calls repeated %d",
		len(g.changes), len(g.lost()), len(g.doubled()), doubleMails, percentile(d, 50), percentile(d, 99), percentile(d, 100),
		percentile(s, 50), percentile(s, 99), percentile(s, 100), c.caller.failed())
	c.t.Logf("later than %s at Slack: %v", rescue, g.late())
	require.Empty(c.t, g.lost(), "lost")
	require.Empty(c.t, g.doubled(), "doubled")
	require.Len(c.t, g.posts, len(g.changes))
}
