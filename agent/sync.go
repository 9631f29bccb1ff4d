package agent

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// syncLook is how often a synchronous call looks at what came of its send.
const syncLook = 20 * time.Millisecond

// ExecuteTaskSync implements flyteidl's SyncAgentService: it stores a task as CreateTask does,
// under the same key, and answers with a terminal phase, since anything else kills a worker of
// FlytePropeller. A bad spec is a FAILED resource.
func (s *Service) ExecuteTaskSync(stream service.SyncAgentService_ExecuteTaskSyncServer) error {
	ctx, cancel := answerBy(stream.Context())
	defer cancel()
	r, err := receive(stream)
	if err != nil {
		return err
	}
	m, err := s.accept(ctx, r)
	if err != nil {
		return err
	}
	return stream.Send(&admin.ExecuteTaskSyncResponse{Res: &admin.ExecuteTaskSyncResponse_Header{
		Header: &admin.ExecuteTaskSyncResponseHeader{Resource: s.outcome(ctx, m)},
	}})
}

// receive reads the header and the inputs, which may come in parts or not at all.
func receive(stream service.SyncAgentService_ExecuteTaskSyncServer) (request, error) {
	r := request{sync: true, inputs: &core.LiteralMap{Literals: map[string]*core.Literal{}}}
	for {
		part, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && r.template != nil:
			return r, nil
		case errors.Is(err, io.EOF):
			return r, status.Error(codes.InvalidArgument, "header: required")
		case err != nil:
			return r, err
		}
		if h := part.GetHeader(); h != nil {
			r.template, r.prefix, r.metadata = h.GetTemplate(), h.GetOutputPrefix(), h.GetTaskExecutionMetadata()
		}
		for name, l := range part.GetInputs().GetLiterals() {
			r.inputs.Literals[name] = l
		}
		if r.template != nil && part.GetInputs() != nil {
			return r, nil
		}
	}
}

// outcome waits for the outbox until the call must be answered. A send that is pending then goes
// on by itself.
func (s *Service) outcome(ctx context.Context, m meta) *admin.Resource {
	if m.Kind != store.Send || m.Rejected != "" {
		return s.standing(ctx, m)
	}
	w, all := s.settledSend(ctx, m.Watch)
	r := sendResource(m, w, all)
	switch {
	case r.GetPhase() != core.TaskExecution_RUNNING:
		return r
	case m.Require == spec.RequireDelivered:
		return failed(r.GetMessage())
	}
	return succeeded(m.Outputs, orNotSeen(w.Phase), all)
}

// settledSend reads a send until its deliveries are settled, or ctx ends. A store that fails
// leaves what was read before.
func (s *Service) settledSend(ctx context.Context, id string) (w store.Watch, all []store.Delivery) {
	w.State = store.Active
	tick := time.NewTicker(syncLook)
	defer tick.Stop()
	for {
		if now, err := s.Store.Watch(ctx, id); err == nil {
			if deliveries, err := s.Store.WatchDeliveries(ctx, id); err == nil {
				w, all = now, deliveries
			}
		}
		if w.State != store.Active && len(unsettled(all)) == 0 {
			return w, all
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return w, all
		}
	}
}
