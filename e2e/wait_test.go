package e2e

import (
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/workflow"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// elsewhere starts an execution that no FlytePropeller drives.
func (w *world) elsewhere(name string) flyte.ExecutionID {
	id := execution(name)
	w.flyte.Create(flytesim.Execution{ID: id, Workflow: "nightly", WorkflowVersion: "v7", User: "bob"})
	w.flyte.SetPhase(id, "RUNNING")
	return id
}

// waiting is a node that waits for another execution and tells of its failure.
func waiting(id string, of flyte.ExecutionID) workflow.Node {
	spec := selfWatch("FAILED")
	spec["wait"] = true
	spec["watch"] = object{"execution": object{"project": of.Project, "domain": of.Domain, "name": of.Name}}
	n := notification(id, spec)
	n.Outputs = map[string]*core.LiteralType{"phase": workflow.String(), "deliveries": workflow.List(workflow.Dict())}
	return n
}

// The outputs of a waiting watch are ordinary outputs, which a later node reads.
func TestWaitingWatchHasOutputs(t *testing.T) {
	w := newWorld(t)
	w.start()
	nightly := w.elsewhere("nightly-7")
	read := job("read")
	read.Inputs = []workflow.Input{
		{Name: "phase", Type: workflow.String(), From: "watch.phase"},
		{Name: "deliveries", Type: workflow.List(workflow.Dict()), From: "watch.deliveries"},
	}
	id := w.run("waits", waiting("watch", nightly), read)
	w.awaitNode(id, "watch", "RUNNING")
	w.flyte.SetPhase(nightly, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
	w.awaitPhase(id, "SUCCEEDED")
	post, mail := w.toldOnce("FAILED", "nightly-7", "out of memory")

	inputs := w.jobs.Inputs("read").GetLiterals()
	require.Equal(t, "FAILED", inputs["phase"].GetScalar().GetPrimitive().GetStringValue())
	deliveries := inputs["deliveries"].GetCollection().GetLiterals()
	require.Len(t, deliveries, 2)
	for _, l := range deliveries {
		d := dict(t, l)
		require.Equal(t, "phase-failed", d["rule"])
		require.Equal(t, "delivered", d["state"])
		require.Contains(t, []any{"#" + channel, "ml@example.org"}, d["destination"])
		require.Equal(t, anyMap(receipt(d["notifier"].(string), post, mail)), d["receipt"])
	}
}

func anyMap(m map[string]string) object {
	o := object{}
	for k, v := range m {
		o[k] = v
	}
	return o
}

// dict reads flytekit's dict, which is msgpack now and was a Struct.
func dict(t *testing.T, l *core.Literal) object {
	t.Helper()
	if g := l.GetScalar().GetGeneric(); g != nil {
		return g.AsMap()
	}
	binary := l.GetScalar().GetBinary()
	require.Equal(t, "msgpack", binary.GetTag())
	o := object{}
	require.NoError(t, msgpack.Unmarshal(binary.GetValue(), &o))
	return o
}

// FlytePropeller gives up on a waiting watch, tries again, which takes the watch up again, and gives
// up for good: the watch goes with it and tells nothing any more.
func TestNodeTimeoutCancelsTheWatch(t *testing.T) {
	w := newWorld(t)
	w.start()
	nightly := w.elsewhere("nightly-8")
	watch := waiting("watch", nightly)
	watch.Timeout, watch.Retries = 2*time.Second, 1
	id := w.run("times-out", watch)
	w.awaitPhase(id, "FAILED")
	phase, _ := w.node(id, "watch")
	require.Equal(t, "TIMED_OUT", phase)
	require.Len(t, w.tasks("CreateTask"), 2)
	require.GreaterOrEqual(t, len(w.toAgent.Calls("DeleteTask")), 2)
	rows, err := w.agent.Watches()
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, "cancelled", rows[0].State)
	w.flyte.SetPhase(nightly, "FAILED")
	w.awaitPoll()
	w.stopAgent()
	require.Len(t, w.deliveries(), 1)
	require.Empty(t, w.said(channel))
	require.Empty(t, w.mail.Mails())
}

// Aborting the execution of a waiting watch cancels the watch, also where FlytePropeller forgot to
// say so, because it had not yet saved the task.
func TestAbortCancelsTheWaitingWatch(t *testing.T) {
	w := newWorld(t)
	w.start()
	nightly := w.elsewhere("nightly-9")
	id := w.run("given-up", waiting("watch", nightly))
	w.eventually("the watch is registered", func() bool { return len(w.tasks("CreateTask")) > 0 })
	w.terminate(id, "enough")
	w.awaitPhase(id, "ABORTED")
	w.eventually("the watch is cancelled", func() bool {
		rows, err := w.agent.Watches()
		return err == nil && len(rows) == 1 && rows[0].State == "cancelled"
	})
	w.flyte.SetPhase(nightly, "FAILED")
	w.awaitPoll()
	w.stopAgent()
	require.Empty(t, w.said(channel))
	require.Empty(t, w.mail.Mails())
}

// awaitPoll waits until a watch that is registered now was told by its execution's next phase,
// which takes a poll that began after whatever the test did before.
func (w *world) awaitPoll() {
	w.t.Helper()
	before := len(w.said("ops"))
	spec := object{"rules": list{object{
		"when": object{"phase": list{"SUCCEEDED"}},
		"send": list{object{"slack": object{"channel": "#ops"}}},
	}}}
	id := w.run("marker", notification("tell", spec))
	w.awaitPhase(id, "SUCCEEDED")
	w.eventually("the marker is told", func() bool { return len(w.said("ops")) > before })
}
