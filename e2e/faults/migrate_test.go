package faults

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/proc"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// A server on SQLite is killed in the midst of its sends, and its store moves to Postgres, where two
// servers go on. The move itself is killed, too, again and again, and repeated.
func TestStoreMovesToPostgres(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	c := newCluster(t, "")
	c.start(1)
	old := c.servers[0]
	c.stayRunning(1200)
	l := c.load(50)
	l.awaitChanges(100)
	c.slack.Fail("chat.postMessage", slacksim.Fault{Times: 40, Latency: 2 * time.Second})
	before := c.slack.Calls("chat.postMessage")
	c.eventually(patience, "sends are under way", func() bool { return c.slack.Calls("chat.postMessage") > before+10 })
	require.NoError(t, old.Kill())
	c.servers, c.clerk = nil, nil

	onPostgres := func(a *agentproc.Config) { a.Store = database }
	first, second := c.add(loopback, onPostgres), c.add(loopback, onPostgres)
	from := "sqlite://" + old.StorePath()
	for range 3 {
		p, err := first.Begin("migrate", "--from", from)
		require.NoError(t, err)
		arrived := c.arrives(database, p)
		require.NoError(t, p.Kill())
		t.Logf("killed when %d of the watches had arrived", arrived)
	}
	out, err := first.Run("migrate", "--from", from)
	require.NoError(t, err)
	t.Logf("moved: %s", out)

	c.serve(first)
	c.serve(second)
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	require.Error(t, old.Start(ctx), "no server starts on what was moved")
	require.NotEmpty(t, old.Log.Lines("was moved to Postgres"))
	l.awaitChanges(50)
	c.check(l.settled(rescue))
}

// stayRunning makes watches of executions that do not end: a large store is moved in more than one
// transaction.
func (c *cluster) stayRunning(n int) {
	c.t.Helper()
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error {
			id := flyte.ExecutionID{Scope: flyte.Scope{Project: "stay", Domain: "production"}, Name: fmt.Sprintf("long-%d", i)}
			c.flyte.Create(flytesim.Execution{ID: id, Workflow: "train"})
			c.flyte.SetPhase(id, "RUNNING")
			_, err := c.caller.create(c.ctx, id, told(channel(0), false))
			return err
		})
	}
	require.NoError(c.t, g.Wait())
}

// arrives waits until some watches are in the database that were not, or the move has ended, and returns
// how many there are.
func (c *cluster) arrives(database string, move *proc.Process) (n int) {
	c.t.Helper()
	conn, err := pgx.Connect(c.ctx, database)
	require.NoError(c.t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(c.ctx)) }()
	before := -1
	for {
		// Before the first move there is no such table.
		if err := conn.QueryRow(c.ctx, "SELECT count(*) FROM flyte_notifier.watches").Scan(&n); err != nil {
			n = 0
		}
		if before < 0 {
			before = n
		}
		select {
		case <-move.Done():
			return n
		case <-c.ctx.Done():
			require.NoError(c.t, c.ctx.Err())
		default:
		}
		if n > before {
			return n
		}
	}
}
