package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// standing is how a task stands: from its meta alone where that says all, else from the store.
func (s *Service) standing(ctx context.Context, m meta) *admin.Resource {
	switch {
	case m.Rejected != "":
		return failed(m.Rejected)
	case !m.Wait:
		return succeeded(m.Outputs, notSeen, nil)
	}
	ctx, cancel := lookBy(ctx)
	defer cancel()
	w, all, err := s.look(ctx, m.Watch, over)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return failed("watch lost: the store does not know " + m.Watch)
	case err != nil:
		s.Log.WarnContext(ctx, "task cannot be looked up", "watch", m.Watch, "error", err)
		return running("the store did not answer: " + err.Error())
	case w.Kind == store.Send:
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
		return aborted("watch cancelled: " + w.Reason)
	case store.Active:
		return running(fmt.Sprintf("watching %s: %s", w.Execution, orNotSeen(w.Phase)))
	}
	if open := unsettled(all); len(open) > 0 {
		return running("delivering " + strings.Join(open, ", "))
	}
	return succeeded(m.Outputs, orNotSeen(w.Phase), all)
}

// purged says whether a watch is long over: the store knows no more than that.
func purged(w store.Watch) bool { return w.State == store.Ended && w.Kind == "" }

// sendResource is how a send stands. One that is only to be accepted is done once its deliveries
// are stored.
func sendResource(m meta, w store.Watch, all []store.Delivery) *admin.Resource {
	switch {
	case w.State == store.Cancelled:
		return aborted("send cancelled: " + w.Reason)
	case w.State == store.Active:
		return running("still pending: accepted as watch " + m.Watch)
	case len(all) == 0 && purged(w):
		return succeeded(m.Outputs, notSeen, nil) // all that is known of it is that it is done
	case len(all) == 0:
		return failed("nothing was sent: the watch made no delivery")
	case m.Require != spec.RequireDelivered:
		return succeeded(m.Outputs, orNotSeen(w.Phase), all)
	}
	for _, d := range all {
		if d.State.Settled() && d.State != store.Delivered {
			return failed(fmt.Sprintf("%s: %s to %s: %s", d.State, d.Kind, d.Address, d.LastError))
		}
	}
	if open := unsettled(all); len(open) > 0 {
		return running("still pending: " + strings.Join(open, ", "))
	}
	return succeeded(m.Outputs, orNotSeen(w.Phase), all)
}

// unsettled names the deliveries that are still to be sent.
func unsettled(all []store.Delivery) []string {
	var names []string
	for _, d := range all {
		if !d.State.Settled() {
			names = append(names, "delivery "+d.ID)
		}
	}
	return names
}

func orNotSeen(phase string) string {
	if phase == "" {
		return notSeen
	}
	return phase
}

// maxText bounds a resource's message, in bytes: the console shows it, and etcd keeps it.
const maxText = 4 << 10

func resource(phase core.TaskExecution_Phase, message string) *admin.Resource {
	return &admin.Resource{Phase: phase, Message: cut(notifier.Printable(message), maxText)}
}

func running(message string) *admin.Resource {
	return resource(core.TaskExecution_RUNNING, message)
}

// failed is permanent. FlytePropeller drops agent_error for asynchronous tasks: the cause goes
// into the message.
func failed(message string) *admin.Resource {
	return resource(core.TaskExecution_FAILED, message)
}

func aborted(message string) *admin.Resource {
	return resource(core.TaskExecution_ABORTED, message)
}

func succeeded(declared []string, phase string, all []store.Delivery) *admin.Resource {
	out, err := outputs(declared, phase, all)
	if err != nil {
		return failed("outputs: " + err.Error())
	}
	return &admin.Resource{Phase: core.TaskExecution_SUCCEEDED, Outputs: out}
}
