package e2e

import (
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/grpcproxy"
)

// A FlytePropeller that is killed before it could note the answer asks the same again.
func TestFastReplayedCreateTaskTellsOnce(t *testing.T) {
	w := newWorld(t)
	w.startAgent()
	w.toAgent.OnAnswer("CreateTask", func(grpcproxy.Call) { w.killPropeller() })
	w.startPropeller()
	id := w.run("replayed", notification("tell", selfWatch("SUCCEEDED")), job("train", "tell"))
	<-w.propeller.Ended()
	w.startPropeller()
	w.awaitPhase(id, "SUCCEEDED")
	w.toldOnce("SUCCEEDED")
	calls := w.toAgent.Calls("CreateTask")
	require.GreaterOrEqual(t, len(calls), 2)
	require.Len(t, w.tasks("CreateTask"), 1)
	require.True(t, proto.Equal(created(t, calls[0]), created(t, calls[1])), "the replay differs")
	require.Equal(t, meta(t, calls[0]), meta(t, calls[1]))
}

func created(t *testing.T, c grpcproxy.Call) *admin.CreateTaskRequest {
	t.Helper()
	r := &admin.CreateTaskRequest{}
	require.NoError(t, c.Request(0, r))
	return r
}

func meta(t *testing.T, c grpcproxy.Call) string {
	t.Helper()
	r := &admin.CreateTaskResponse{}
	require.NoError(t, c.Answer(r))
	return string(r.GetResourceMeta())
}
