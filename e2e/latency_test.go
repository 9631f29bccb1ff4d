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
	const executions, nodes = 4, 25
	w := newWorld(t)
	for _, method := range []string{"ListExecutions", "GetExecution", "ListNodeExecutions", "GetNodeExecution", "GetWorkflow", "ListProjects"} {
		w.flyte.SetFault(method, flytesim.Fault{Hang: true})
	}
	w.slack.Fail(slacksim.Any, slacksim.Fault{Hang: true, Times: -1})
	w.start()
	for i := range executions {
		w.run(fmt.Sprintf("many-%d", i), tellers(nodes)...)
	}
	w.eventually("all tasks are created", func() bool { return len(w.toAgent.Calls("CreateTask")) >= executions*nodes })
	var took []time.Duration
	for _, c := range w.toAgent.Calls("CreateTask") {
		require.NoError(t, c.Err)
		took = append(took, c.Took)
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d CreateTask calls: p50 %s, p99 %s, slowest %s", len(took), p50, p99, took[len(took)-1])
	require.Less(t, p99, 250*time.Millisecond)
}

func tellers(n int) []workflow.Node {
	var all []workflow.Node
	for i := range n {
		all = append(all, notification(fmt.Sprintf("tell%d", i), selfWatch("FAILED")))
	}
	return all
}
