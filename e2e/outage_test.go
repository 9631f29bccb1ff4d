package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/grpcproxy"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/jobs"
)

// With the settings that our README recommends, a node that starts while the agent is down waits.
func TestAgentDownAtStart(t *testing.T) {
	w := newWorld(t, patient)
	w.cutAgentOff()
	w.startPropeller()
	id := w.run("early", notification("tell", selfWatch("SUCCEEDED")), job("train", "tell"))
	w.awaitNode(id, "tell", "RUNNING")
	w.startAgent()
	w.awaitPhase(id, "SUCCEEDED")
	w.toldOnce("SUCCEEDED")
	require.Len(t, w.tasks("CreateTask"), 1)
}

// What happens while the agent is down is told when it is back.
func TestFastAbortWhileAgentIsDown(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.jobs.Set("train", jobs.Hanging)
	id := w.run("unseen", notification("tell", selfWatch("ABORTED")), job("train", "tell"))
	w.awaitNode(id, "train", "RUNNING")
	w.killAgent()
	w.terminate(id, "nobody looked")
	w.awaitPhase(id, "ABORTED")
	w.startAgent()
	w.toldOnce("ABORTED", "nobody looked")
}

// The answer to CreateTask got out, then the agent was killed: the watch is in the store.
func TestFastKilledAfterCreateTask(t *testing.T) {
	w := newWorld(t)
	w.startAgent()
	w.outages.Add(1)
	w.toAgent.OnAnswer("CreateTask", func(grpcproxy.Call) { assert.NoError(t, w.agent.Kill()) })
	w.startPropeller()
	id := w.run("registered", notification("tell", selfWatch("SUCCEEDED")), job("train", "tell"))
	<-w.agent.Ended()
	w.startAgent()
	w.awaitPhase(id, "SUCCEEDED")
	w.toldOnce("SUCCEEDED")
	require.Len(t, w.tasks("CreateTask"), 1)
}

// The answer to CreateTask was lost with the agent: the retry is a new attempt of the same task.
func TestFastCreateTaskAnswerLost(t *testing.T) {
	w := newWorld(t, patient)
	w.startAgent()
	w.toAgent.OnAnswer("CreateTask", func(grpcproxy.Call) { w.killAgent() })
	w.startPropeller()
	tell := notification("tell", selfWatch("SUCCEEDED"))
	tell.Retries = 1
	id := w.run("lost", tell, job("train", "tell"))
	<-w.agent.Ended()
	w.startAgent()
	w.awaitPhase(id, "SUCCEEDED")
	w.toldOnce("SUCCEEDED")
	require.Len(t, w.tasks("CreateTask"), 2)
	retried := created(t, w.toAgent.Calls("CreateTask")[1])
	require.Equal(t, uint32(1), retried.GetTaskExecutionMetadata().GetTaskExecutionId().GetRetryAttempt())
}
