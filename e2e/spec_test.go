package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A bad spec fails its node at once, with every problem, and burns none of the user's retries.
func TestFastBadSpecFailsTheNodeByPath(t *testing.T) {
	w := newWorld(t)
	w.start()
	tell := notification("tell", object{"rules": list{object{
		"when": object{"phase": list{"FAILED", "DONE"}},
		"send": list{object{"slack": object{}}},
	}}})
	tell.Retries = 3
	id := w.run("bad", tell)
	w.awaitPhase(id, "FAILED")
	phase, message := w.node(id, "tell")
	require.Equal(t, "FAILED", phase)
	require.Contains(t, message, "rules[0].send[0].slack.channel: required")
	require.Contains(t, message, "rules[0].when.phase[1]")
	require.Len(t, w.tasks("CreateTask"), 1)
	require.Empty(t, w.toAgent.Faults("CreateTask"))
	w.stopAgent()
	require.Empty(t, w.deliveries())
}
