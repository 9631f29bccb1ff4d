package e2e

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/grpcproxy"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/propeller"
)

func smallDisk(_ *propeller.Config, a *agentproc.Config) { a.OnSmallDisk(16 << 20) }

// With flyteadmin gone and the store's disk full the agent still answers FlytePropeller: polls are
// "still running", new tasks "unavailable" in time for a retry, and probes keep it in its Service.
// When both are back, everything is told.
func TestFlyteadminAndDiskFail(t *testing.T) {
	if err := agentproc.CheckSmallDisk(t.TempDir()); err != nil {
		t.Skip(err) // as in containers without the right to mount
	}
	w := newWorld(t, smallDisk)
	w.start()
	nightly := w.elsewhere("nightly-1")
	waits := w.run("waits", waiting("watch", nightly))
	w.awaitNode(waits, "watch", "RUNNING")

	w.toAdmin.Stop()
	require.NoError(t, w.agent.FillDisk())
	tell := notification("tell", selfWatch("SUCCEEDED"))
	tell.Retries = 20
	late := w.run("late", tell)
	w.eventually("a new task is refused", func() bool { return len(w.toAgent.Faults("CreateTask")) > 1 })
	w.refusedInTime()
	w.stillPolled(2)
	w.probes(http.StatusOK, http.StatusServiceUnavailable)

	require.NoError(t, w.toAdmin.Start())
	require.NoError(t, w.agent.FreeDisk())
	w.awaitPhase(late, "SUCCEEDED")
	w.probes(http.StatusOK, http.StatusOK)
	w.flyte.SetPhase(nightly, "FAILED")
	w.awaitPhase(waits, "SUCCEEDED")
	w.awaitSlack(2)
	w.awaitMail(2)
	w.stopAgent()
	require.Len(t, w.said(""), 2)
	require.Len(t, w.mail.Mails(), 2)
}

// refusedInTime checks that new tasks were refused before FlytePropeller gave up on the call: from
// its time-out nobody could tell whether the task was taken.
func (w *world) refusedInTime() {
	w.t.Helper()
	for _, c := range w.toAgent.Faults("CreateTask") {
		require.Equal(w.t, codes.Unavailable, c.Code, c.Err)
		require.Less(w.t, c.Took, 3*time.Second)
	}
}

// stillPolled waits for n more GetTask calls and checks that each says RUNNING.
func (w *world) stillPolled(n int) {
	w.t.Helper()
	before := len(w.toAgent.Calls("GetTask"))
	var calls []grpcproxy.Call
	w.eventually("GetTask is called", func() bool {
		calls = w.toAgent.Calls("GetTask")[before:]
		return len(calls) >= n
	})
	for _, c := range calls {
		require.NoError(w.t, c.Err)
		r := &admin.GetTaskResponse{}
		require.NoError(w.t, c.Answer(r))
		require.Equal(w.t, core.TaskExecution_RUNNING, r.GetResource().GetPhase())
	}
}

// probes waits until liveness and readiness for people (/readyz) say this. The readiness that
// Kubernetes asks for is always SERVING.
func (w *world) probes(healthz, readyz int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	var live, ready int
	w.eventually("the probes are right", func() bool {
		var err error
		live, err = w.agent.Get(ctx, "/healthz")
		require.NoError(w.t, err)
		ready, err = w.agent.Get(ctx, "/readyz")
		require.NoError(w.t, err)
		return live == healthz && ready == readyz
	})
	require.NoError(w.t, w.agent.Serving(ctx))
}
