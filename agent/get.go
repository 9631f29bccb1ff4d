package agent

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
)

// GetTask implements flyteidl's AsyncAgentService. It never returns an error: FlytePropeller
// counts them over a task's life, and after six the task hangs for good.
func (s *Service) GetTask(ctx context.Context, r *admin.GetTaskRequest) (answer *admin.GetTaskResponse, _ error) {
	defer func() {
		if v := recover(); v != nil {
			s.Log.ErrorContext(ctx, "GetTask panicked", "panic", v, "stack", string(debug.Stack()))
			answer = &admin.GetTaskResponse{Resource: running("the agent failed to look; it will again")}
		}
	}()
	m, err := decodeMeta(r.GetResourceMeta())
	if err != nil {
		return &admin.GetTaskResponse{Resource: failed(err.Error())}, nil
	}
	return &admin.GetTaskResponse{Resource: s.standing(ctx, m)}, nil
}

// DeleteTask implements flyteidl's AsyncAgentService: it cancels a waiting watch. Deliveries
// already made still go out, and a watch that does not wait outlives its task. It answers OK for
// what it does not know, since anything else forever makes the workflow fail with "abort failed";
// its only error is Unavailable.
func (s *Service) DeleteTask(ctx context.Context, r *admin.DeleteTaskRequest) (*admin.DeleteTaskResponse, error) {
	m, err := decodeMeta(r.GetResourceMeta())
	if err != nil || m.Rejected != "" || !m.Wait {
		return &admin.DeleteTaskResponse{}, nil
	}
	ctx, cancel := answerBy(ctx)
	defer cancel()
	err = s.retry(ctx, "cancel the watch", func() error {
		return s.Store.Cancel(ctx, m.Watch, m.Attempt, "its task was aborted or timed out", time.Now().UTC())
	})
	if err != nil {
		return nil, err
	}
	return &admin.DeleteTaskResponse{}, nil
}
