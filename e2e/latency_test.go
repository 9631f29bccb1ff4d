package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/workflow"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// CreateTask depends on nobody: it is as quick while flyteadmin and Slack hang. (FlytePropeller's
// own events still reach flyteadmin, or nothing would run.)
func TestCreateTaskIsQuickWhileAllHangs(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{"ListExecutions", "GetExecution", "ListNodeExecutions", "GetNodeExecution", "GetWorkflow", "ListProjects"} {
		w.flyte.SetFault(method, flytesim.Fault{Hang: true})
	}
	w.slack.Fail(slacksim.Any, slacksim.Fault{Hang: true, Times: -1})
	w.start()
	// Other work on the machine slows some rounds down; a call that waits for a service slows all.
	const rounds = 5
	for round := range rounds {
		p99 := w.createMany(round)
		if p99 < 250*time.Millisecond {
			return
		}
	}
	t.Fatalf("p99 was above 250 ms in each of %d rounds", rounds)
}

// createMany starts executions with a hundred notification tasks and returns the p99 of their
// CreateTask calls.
func (w *world) createMany(round int) time.Duration {
	w.t.Helper()
	const executions, nodes = 4, 25
	before := len(w.toAgent.Calls("CreateTask"))
	for i := range executions {
		w.run(fmt.Sprintf("many-%d-%d", round, i), tellers(nodes)...)
	}
	w.eventually("all tasks are created", func() bool { return len(w.tasks("CreateTask")) == (round+1)*executions*nodes })
	var took []time.Duration
	for _, c := range w.toAgent.Calls("CreateTask")[before:] {
		require.NoError(w.t, c.Err)
		took = append(took, c.Took)
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	w.t.Logf("%d CreateTask calls: p50 %s, p99 %s, slowest %s", len(took), p50, p99, took[len(took)-1])
	return p99
}

func tellers(n int) []workflow.Node {
	var all []workflow.Node
	for i := range n {
		all = append(all, notification(fmt.Sprintf("tell%d", i), selfWatch("FAILED")))
	}
	return all
}
