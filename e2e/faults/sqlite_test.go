package faults

import (
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // opens the server's file from outside

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// One server on SQLite is killed and started again in the midst of its work.
func TestOneServerOnSQLite(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "")
	c.start(1)
	l := c.load(50)
	for range 2 {
		l.awaitChanges(50)
		require.NoError(t, c.servers[0].Kill())
		c.serve(c.servers[0])
	}
	l.awaitChanges(50)
	c.check(l.settled(patience))
}

// open opens the server's file as another program would.
func open(t *testing.T, s *server) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.StorePath()+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// Another program holds SQLite's write lock for longer than SQLite itself waits: tasks that are
// refused meanwhile are accepted later, and nothing of the others is lost.
func TestSQLiteIsBusy(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "")
	c.start(1)
	l := c.load(20)
	l.awaitChanges(20)
	conn, err := open(t, c.servers[0]).Conn(c.ctx)
	require.NoError(t, err)
	_, err = conn.ExecContext(c.ctx, "BEGIN IMMEDIATE")
	require.NoError(t, err)
	before := c.caller.failed()
	c.eventually(patience, "tasks are refused", func() bool { return c.caller.failed() > before+100 })
	_, err = conn.ExecContext(c.ctx, "ROLLBACK")
	require.NoError(t, err)
	free := time.Now()
	c.eventually(10*time.Second, "tasks are accepted and told again", func() bool { return l.changed(free) > 20 })
	c.check(l.settled(patience))
}

// One watch and one delivery are damaged in the file: both are shown, and all others go on.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "")
	c.slack.Fail("chat.postMessage", slacksim.Fault{Times: -1, Status: 503})
	c.start(1)
	names := []string{"whole-a", "whole-b", "bad-watch", "bad-delivery"}
	for _, name := range names {
		id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name}
		c.flyte.Create(flytesim.Execution{ID: id, Workflow: "train"})
		c.flyte.SetPhase(id, "RUNNING")
		_, err := c.caller.create(c.ctx, id, told(channel(0), false))
		require.NoError(t, err)
	}
	c.end("whole-a", "bad-delivery")
	c.eventually(patience, "two deliveries wait", func() bool { return len(c.states("pending")) == 2 })
	db := open(t, c.servers[0])
	for _, query := range []string{
		`UPDATE watches SET custom = '{"rules": [' WHERE name = 'bad-watch'`,
		`UPDATE watches SET outputs = '[' WHERE name = 'bad-delivery'`,
		`UPDATE deliveries SET content = '{"da', receipt = '{' WHERE name = 'bad-delivery'`,
	} {
		_, err := db.ExecContext(c.ctx, query)
		require.NoError(t, err)
	}
	c.end("whole-b", "bad-watch")
	c.slack.Heal(slacksim.Any)
	c.eventually(patience, "the others are told", func() bool {
		return slices.Equal(c.states("delivered"), []string{"whole-a", "whole-b"})
	})
	c.eventually(patience, "the damaged delivery is shown", func() bool { return slices.Equal(c.states("dead"), []string{"bad-delivery"}) })
	c.eventually(patience, "the damaged watch is shown", func() bool {
		return len(c.servers[0].Log.Lines("watch cannot be evaluated")) == 1
	})
	require.Empty(t, c.states("pending"))
	require.Len(t, c.slack.Messages(""), 2)
}

// end ends executions of the scope ml/production.
func (c *cluster) end(names ...string) {
	for _, name := range names {
		c.flyte.SetPhase(flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name}, "SUCCEEDED")
	}
}

// states are the executions whose delivery is in the state, sorted.
func (c *cluster) states(state string) (names []string) {
	c.t.Helper()
	rows, err := c.rows()
	require.NoError(c.t, err)
	for _, r := range slices.DeleteFunc(rows, func(r agentproc.Row) bool { return r.State != state }) {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return names
}
