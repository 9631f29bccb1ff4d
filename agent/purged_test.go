package agent_test

import (
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/agent"
)

// TestTasksWhoseWatchWasPurgedAreDone replays tasks of which the store knows only that they are over:
// FlytePropeller may come back to one long after its retention.
func TestTasksWhoseWatchWasPurgedAreDone(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*admin.CreateTaskRequest{
		"waiting":   request(t, waiting(), outputs("phase")),
		"accepted":  request(t, sending("accepted"), ofType(agent.TypeSend), outputs("phase")),
		"delivered": request(t, sending("delivered"), ofType(agent.TypeSend), outputs("phase")),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				meta := w.create(r)
				w.move(ended("FAILED"))
				later := time.Now().Add(time.Hour)
				n, err := w.db.Purge(w.t.Context(), later, later, 100)
				require.NoError(w.t, err)
				require.Equal(w.t, 1, n)

				for _, meta := range [][]byte{meta, w.create(r)} {
					got := w.get(meta)
					require.Equal(w.t, "SUCCEEDED", got.GetPhase().String(), got.GetMessage())
					require.Contains(w.t, got.GetOutputs().GetLiterals(), "phase", "declared outputs must be returned")
					w.delete(meta)
				}
				require.Empty(w.t, w.watches(), "it is not followed again")
			})
		})
	}
}

func TestAPurgedSendIsDoneAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		send := sending("delivered")
		w.create(request(w.t, send, ofType(agent.TypeSend)))
		w.move(ended("FAILED"))
		later := time.Now().Add(time.Hour)
		_, err := w.db.Purge(w.t.Context(), later, later, 100)
		require.NoError(w.t, err)
		r, err := w.execute(request(w.t, send, ofType(agent.TypeSend)))
		require.NoError(w.t, err)
		require.Equal(w.t, "SUCCEEDED", r.GetPhase().String(), r.GetMessage())
	})
}
