package flytesim_test

import (
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// eventTime is the sender's clock, which closures show.
var eventTime = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func workflowEvent(name string, phase core.WorkflowExecution_Phase, at time.Time) *admin.WorkflowExecutionEventRequest {
	return &admin.WorkflowExecutionEventRequest{Event: &event.WorkflowExecutionEvent{
		ExecutionId: wire(id(name)), Phase: phase, OccurredAt: timestamppb.New(at), ProducerId: "propeller",
	}}
}

func get(t *testing.T, c service.AdminServiceClient, name string) *admin.Execution {
	t.Helper()
	e, err := c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id(name))})
	require.NoError(t, err)
	return e
}

func one(t *testing.T, opts ...flytesim.Option) (*flytesim.Server, service.AdminServiceClient) {
	t.Helper()
	s := flytesim.New(opts...)
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	return s, dial(t, s)
}

func TestEventsMoveAnExecution(t *testing.T) {
	t.Parallel()
	_, c := one(t)
	_, err := c.CreateWorkflowEvent(t.Context(), workflowEvent("a", core.WorkflowExecution_RUNNING, eventTime))
	require.NoError(t, err)
	end := workflowEvent("a", core.WorkflowExecution_FAILED, eventTime.Add(time.Minute))
	end.Event.OutputResult = &event.WorkflowExecutionEvent_Error{Error: &core.ExecutionError{
		Kind: core.ExecutionError_SYSTEM, Code: "C", Message: "M",
	}}
	_, err = c.CreateWorkflowEvent(t.Context(), end)
	require.NoError(t, err)

	closure := get(t, c, "a").GetClosure()
	require.Equal(t, core.WorkflowExecution_FAILED, closure.GetPhase())
	require.Equal(t, "M", closure.GetError().GetMessage())
	require.Equal(t, eventTime, closure.GetStartedAt().AsTime())
	require.Equal(t, time.Minute, closure.GetDuration().AsDuration())
	require.Equal(t, eventTime.Add(time.Minute), closure.GetUpdatedAt().AsTime(), "the sender's clock")
}

func TestAnOutputIsKept(t *testing.T) {
	t.Parallel()
	_, c := one(t)
	end := workflowEvent("a", core.WorkflowExecution_SUCCEEDED, eventTime)
	end.Event.OutputResult = &event.WorkflowExecutionEvent_OutputUri{OutputUri: "s3://out"}
	_, err := c.CreateWorkflowEvent(t.Context(), end)
	require.NoError(t, err)
	closure := get(t, c, "a").GetClosure()
	require.Equal(t, "s3://out", closure.GetOutputs().GetUri())
	require.Nil(t, closure.GetDuration(), "it never started")
}

func TestEventsThatFlyteadminRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before []string
		event  core.WorkflowExecution_Phase
		want   codes.Code
	}{
		"a repeated phase":           {[]string{"RUNNING"}, core.WorkflowExecution_RUNNING, codes.AlreadyExists},
		"a repeated queued is fine":  {[]string{"QUEUED"}, core.WorkflowExecution_QUEUED, codes.OK},
		"back to queued":             {[]string{"RUNNING"}, core.WorkflowExecution_QUEUED, codes.FailedPrecondition},
		"after the end":              {[]string{"SUCCEEDED"}, core.WorkflowExecution_RUNNING, codes.FailedPrecondition},
		"a repeated end":             {[]string{"SUCCEEDED"}, core.WorkflowExecution_SUCCEEDED, codes.AlreadyExists},
		"running while aborting":     {[]string{"RUNNING", "ABORTING"}, core.WorkflowExecution_RUNNING, codes.FailedPrecondition},
		"an end while aborting":      {[]string{"RUNNING", "ABORTING"}, core.WorkflowExecution_ABORTED, codes.OK},
		"failing back to running":    {[]string{"FAILING"}, core.WorkflowExecution_RUNNING, codes.OK},
		"queued, never having begun": {nil, core.WorkflowExecution_QUEUED, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := one(t)
			for _, phase := range tc.before {
				s.SetPhase(id("a"), phase)
			}
			_, err := c.CreateWorkflowEvent(t.Context(), workflowEvent("a", tc.event, eventTime))
			require.Equal(t, tc.want, status.Code(err), "%v", err)
		})
	}
}

func TestAnEventAfterTheEndSaysSoInItsDetails(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	s.SetPhase(id("a"), "ABORTED")
	_, err := c.CreateWorkflowEvent(t.Context(), workflowEvent("a", core.WorkflowExecution_RUNNING, eventTime))
	details := status.Convert(err).Details()
	require.Len(t, details, 1)
	require.Equal(t, "ABORTED", details[0].(*admin.EventFailureReason).GetAlreadyInTerminalState().GetCurrentPhase())
}

func TestEventsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	_, c := one(t)
	_, err := c.CreateWorkflowEvent(t.Context(), workflowEvent("b", core.WorkflowExecution_RUNNING, eventTime))
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id("b"))})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id(""))})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = c.CreateWorkflowEvent(t.Context(), &admin.WorkflowExecutionEventRequest{Event: &event.WorkflowExecutionEvent{ExecutionId: wire(id("a"))}})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
}

func TestAnAbortPassesThroughAborting(t *testing.T) {
	t.Parallel()
	var terminated []flyte.ExecutionID
	s, c := one(t, flytesim.WithOnTerminate(func(id flyte.ExecutionID) { terminated = append(terminated, id) }))
	s.SetPhase(id("a"), "RUNNING", flytesim.At(eventTime))
	terminate := &admin.ExecutionTerminateRequest{Id: wire(id("a")), Cause: "too slow"}
	_, err := c.TerminateExecution(t.Context(), terminate)
	require.NoError(t, err)
	require.Equal(t, []flyte.ExecutionID{id("a")}, terminated)
	closure := get(t, c, "a").GetClosure()
	require.Equal(t, core.WorkflowExecution_ABORTING, closure.GetPhase())
	require.Equal(t, "too slow", closure.GetAbortMetadata().GetCause())
	require.Equal(t, eventTime, closure.GetUpdatedAt().AsTime(), "terminating does not change it")

	end := workflowEvent("a", core.WorkflowExecution_ABORTED, eventTime.Add(time.Second))
	end.Event.OutputResult = &event.WorkflowExecutionEvent_Error{Error: &core.ExecutionError{Message: "Workflow aborted."}}
	_, err = c.CreateWorkflowEvent(t.Context(), end)
	require.NoError(t, err)
	closure = get(t, c, "a").GetClosure()
	require.Equal(t, core.WorkflowExecution_ABORTED, closure.GetPhase())
	require.Equal(t, "too slow", closure.GetAbortMetadata().GetCause(), "propeller's error does not hide the cause")

	_, err = c.TerminateExecution(t.Context(), terminate)
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	_, err = c.TerminateExecution(t.Context(), &admin.ExecutionTerminateRequest{Id: wire(id("b"))})
	require.Equal(t, codes.NotFound, status.Code(err))
}

func TestAPhaseCanGoBackwards(t *testing.T) {
	t.Parallel()
	s, c := one(t)
	s.Abort(id("a"), "ada", "oops")
	require.Equal(t, "ada", get(t, c, "a").GetClosure().GetAbortMetadata().GetPrincipal())
	s.SetPhase(id("a"), "ABORTED")
	require.Equal(t, "ada", get(t, c, "a").GetClosure().GetAbortMetadata().GetPrincipal())
	s.SetPhase(id("a"), "RUNNING")
	require.Equal(t, core.WorkflowExecution_RUNNING, get(t, c, "a").GetClosure().GetPhase())
}

func TestMisuseInATestPanics(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	require.Panics(t, func() { s.SetPhase(id("b"), "RUNNING") })
	require.Panics(t, func() { s.SetPhase(id("a"), "running") })
	require.Panics(t, func() { s.SetNode(id("a"), "n0", "LOST") })
	require.NotPanics(t, func() { s.SetPhase(id("a"), "RUNNING") }, "and leaves the server usable")
}
