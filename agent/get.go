package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"

	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// GetTask implements flyteidl's AsyncAgentService. It never returns an error: FlytePropeller
// counts them over a task's life, and after six the task hangs for good.
func (s *Service) GetTask(ctx context.Context, r *admin.GetTaskRequest) (answer *admin.GetTaskResponse, _ error) {
	defer func() {
		if v := recover(); v != nil {
			s.Log.ErrorContext(ctx, "GetTask panicked", "panic", v)
			answer = &admin.GetTaskResponse{Resource: running("the agent failed to look; it will again")}
		}
	}()
	return &admin.GetTaskResponse{Resource: s.resource(ctx, r.GetResourceMeta())}, nil
}

// resource is how a task stands: from its meta alone where that says all, else from the store.
func (s *Service) resource(ctx context.Context, raw []byte) *admin.Resource {
	m, err := decodeMeta(raw)
	if err != nil {
		return failed(err.Error())
	}
	return s.standing(ctx, m)
}

func (s *Service) standing(ctx context.Context, m meta) *admin.Resource {
	switch {
	case m.Rejected != "":
		return failed(m.Rejected)
	case !m.Wait:
		return succeeded(m.Outputs, notSeen, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	w, err := s.Store.Watch(ctx, m.Watch)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return failed("watch lost: the store does not know " + m.Watch)
	case err != nil:
		return running(doubt(err))
	}
	all, err := s.Store.WatchDeliveries(ctx, w.ID)
	if err != nil {
		return running(doubt(err))
	}
	if w.Kind == store.Send {
		return sendResource(m, w, all)
	}
	return followResource(m, w, all)
}

// followResource is how a waiting task stands: it runs until what it watches has ended and every
// delivery of it is settled.
func followResource(m meta, w store.Watch, all []store.Delivery) *admin.Resource {
	switch w.State {
	case store.Lost:
		return failed("watch lost: " + w.Reason)
	case store.Cancelled:
		return &admin.Resource{Phase: core.TaskExecution_ABORTED, Message: clean("watch cancelled: " + w.Reason)}
	case store.Active:
		return running(fmt.Sprintf("watching %s: %s", w.Execution, orNotSeen(w.Phase)))
	}
	if open := unsettled(all); len(open) > 0 {
		return running("delivering " + strings.Join(open, ", "))
	}
	return succeeded(m.Outputs, orNotSeen(w.Phase), all)
}

// sendResource is how a send stands.
func sendResource(m meta, w store.Watch, all []store.Delivery) *admin.Resource {
	if w.State == store.Cancelled {
		return &admin.Resource{Phase: core.TaskExecution_ABORTED, Message: clean("send cancelled: " + w.Reason)}
	}
	if w.State == store.Active {
		return running("still pending: accepted as watch " + w.ID)
	}
	if m.Require == spec.RequireDelivered {
		if len(all) == 0 {
			return failed("nothing was sent: the watch made no delivery")
		}
		for _, d := range all {
			if d.State == store.Dead || d.State == store.Silenced || d.State == store.Superseded {
				return failed(fmt.Sprintf("%s: %s to %s: %s", d.State, d.Kind, d.Address, d.LastError))
			}
		}
		if open := unsettled(all); len(open) > 0 {
			return running("still pending: " + strings.Join(open, ", "))
		}
	}
	return succeeded(m.Outputs, orNotSeen(w.Phase), all)
}

// unsettled are the ids of the deliveries that are still to be sent.
func unsettled(all []store.Delivery) []string {
	var ids []string
	for _, d := range all {
		if !d.State.Settled() {
			ids = append(ids, "delivery "+d.ID)
		}
	}
	return ids
}

func orNotSeen(phase string) string {
	if phase == "" {
		return notSeen
	}
	return phase
}

func doubt(err error) string { return "the store did not answer: " + err.Error() }

func running(message string) *admin.Resource {
	return &admin.Resource{Phase: core.TaskExecution_RUNNING, Message: clean(message)}
}

// failed is permanent. FlytePropeller drops agent_error for asynchronous tasks: the cause goes
// into the message.
func failed(message string) *admin.Resource {
	return &admin.Resource{Phase: core.TaskExecution_FAILED, Message: clean(message)}
}

func succeeded(declared []string, phase string, all []store.Delivery) *admin.Resource {
	out, err := outputs(declared, phase, all)
	if err != nil {
		return failed("outputs: " + err.Error())
	}
	return &admin.Resource{Phase: core.TaskExecution_SUCCEEDED, Outputs: out}
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
	if err := s.cancel(ctx, m); err != nil {
		return nil, unavailable("cancel the watch", err)
	}
	return &admin.DeleteTaskResponse{}, nil
}
