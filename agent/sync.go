package agent

import (
	"context"
	"errors"
	"io"
	"maps"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	syncLook   = 20 * time.Millisecond  // between the first looks at what came of a send, and before its call ends
	seldom     = 250 * time.Millisecond // between the last ones
	inputsWait = time.Second            // for the inputs after the header
	moreWait   = 100 * time.Millisecond // for more inputs, or the end, after inputs
)

// ExecuteTaskSync implements flyteidl's SyncAgentService: it stores a task as CreateTask does,
// under the same key, and answers with a terminal phase, since anything else kills a worker of
// FlytePropeller. A bad spec is a FAILED resource. Errors: InvalidArgument without a header,
// Unavailable when the store fails until just before the deadline.
func (s *Service) ExecuteTaskSync(stream service.SyncAgentService_ExecuteTaskSyncServer) error {
	ctx, cancel := answerBy(stream.Context())
	defer cancel()
	r, err := receive(ctx, stream)
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

// receive reads the header and the inputs, which may come in parts or not at all. Callers need not
// close their side, so that after the header only time says that nothing more comes.
func receive(ctx context.Context, stream service.SyncAgentService_ExecuteTaskSyncServer) (request, error) {
	r := request{sync: true, inputs: &core.LiteralMap{Literals: map[string]*core.Literal{}}}
	parts, ended := partsOf(stream)
	var header bool
	var enough <-chan time.Time
	for {
		select {
		case part := <-parts:
			wait := moreWait
			if h := part.GetHeader(); h != nil {
				r.template, r.prefix, r.metadata = h.GetTemplate(), h.GetOutputPrefix(), h.GetTaskExecutionMetadata()
				header, wait = true, inputsWait
			}
			maps.Copy(r.inputs.GetLiterals(), part.GetInputs().GetLiterals())
			if header {
				enough = time.After(wait)
			}
			continue
		case err := <-ended:
			if !errors.Is(err, io.EOF) {
				return r, err
			}
		case <-enough:
		case <-ctx.Done():
		}
		if !header {
			return r, status.Error(codes.InvalidArgument, "header: required")
		}
		return r, nil
	}
}

// partsOf hands over the parts of a stream, and then why there are no more. It ends with the stream.
func partsOf(stream service.SyncAgentService_ExecuteTaskSyncServer) (<-chan *admin.ExecuteTaskSyncRequest, <-chan error) {
	parts, ended := make(chan *admin.ExecuteTaskSyncRequest), make(chan error, 1)
	go func() {
		for {
			part, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			select {
			case parts <- part:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	return parts, ended
}

// outcome waits for the outbox until the call must be answered. A send that is pending then goes
// on by itself.
func (s *Service) outcome(ctx context.Context, m meta) *admin.Resource {
	if m.Kind != store.Send {
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

// settledSend reads a send until its deliveries are settled, or ctx ends, less and less often: calls that wait for
// a service that hangs must not keep the store busy. A store that fails leaves what was read before.
func (s *Service) settledSend(ctx context.Context, id string) (w store.Watch, all []store.Delivery) {
	w.State = store.Active
	begin, next := time.Now(), time.NewTimer(syncLook)
	defer next.Stop()
	for {
		if now, deliveries, err := s.look(ctx, id, over); err == nil {
			w, all = now, deliveries
		}
		if w.State != store.Active && len(unsettled(all)) == 0 {
			return w, all
		}
		next.Reset(lookAgain(ctx, time.Since(begin)))
		select {
		case <-next.C:
		case <-ctx.Done():
			return w, all
		}
	}
}

// lookAgain is when to look again at what was waited for so long: a little later each time, but once more before
// ctx ends.
func lookAgain(ctx context.Context, waited time.Duration) time.Duration {
	next := min(waited/4, seldom)
	if end, ok := ctx.Deadline(); ok {
		next = min(next, time.Until(end)-syncLook)
	}
	return max(next, syncLook)
}
