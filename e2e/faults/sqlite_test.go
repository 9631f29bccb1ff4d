package faults

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// One server on SQLite is killed and started again in the midst of its work.
func TestOneServerOnSQLite(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "")
	c.start(1)
	l := c.load(50)
	l.awaitChanges(100)
	for range 2 {
		require.NoError(t, c.servers[0].Kill())
		c.serve(c.servers[0])
		l.awaitChanges(50)
	}
	g := l.settled(patience)
	c.check(g)
}
