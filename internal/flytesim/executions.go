package flytesim

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// trimmedError is how much of an error message lists show.
const trimmedError = 100

// executionID turns flyteidl's identifier into ours.
func executionID(id *core.WorkflowExecutionIdentifier) flyte.ExecutionID {
	sc := flyte.Scope{Org: id.GetOrg(), Project: id.GetProject(), Domain: id.GetDomain()}
	return flyte.ExecutionID{Scope: sc, Name: id.GetName()}
}

func identifier(id flyte.ExecutionID) *core.WorkflowExecutionIdentifier {
	return &core.WorkflowExecutionIdentifier{Org: id.Org, Project: id.Project, Domain: id.Domain, Name: id.Name}
}

// known checks an identifier and returns its row, or flyteadmin's error. The caller holds the lock.
func (s *Server) known(id *core.WorkflowExecutionIdentifier) (*row, error) {
	for name, value := range map[string]string{"project": id.GetProject(), "domain": id.GetDomain(), "name": id.GetName()} {
		if value == "" {
			return nil, status.Errorf(codes.InvalidArgument, "missing %s", name)
		}
	}
	if r := s.find(executionID(id)); r != nil && r.at(s.now()) != nil {
		return r, nil
	}
	return nil, status.Errorf(codes.NotFound, "missing entity of type execution with identifier %v", id)
}

// GetExecution answers an execution as it is visible now, archived or not.
func (s *Server) GetExecution(_ context.Context, req *admin.WorkflowExecutionGetRequest) (*admin.Execution, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.known(req.GetId())
	if err != nil {
		return nil, err
	}
	return r.proto(r.at(s.now())), nil
}

// TerminateExecution makes an execution ABORTING; ABORTED is propeller's event.
func (s *Server) TerminateExecution(_ context.Context, req *admin.ExecutionTerminateRequest) (*admin.ExecutionTerminateResponse, error) {
	if err := s.terminate(req); err != nil {
		return nil, err
	}
	if s.onTerminate != nil {
		s.onTerminate(executionID(req.GetId()))
	}
	return &admin.ExecutionTerminateResponse{}, nil
}

func (s *Server) terminate(req *admin.ExecutionTerminateRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.known(req.GetId())
	if err != nil {
		return err
	}
	if v := r.last(); terminal(v.phase) {
		return alreadyTerminal("Cannot abort an already terminate workflow execution", v.phase.String())
	}
	s.abort(r, "", req.GetCause())
	return nil
}

// proto is the execution as GetExecution answers it.
func (r *row) proto(v *version) *admin.Execution {
	spec := &admin.ExecutionSpec{
		LaunchPlan: r.entity(core.ResourceType_LAUNCH_PLAN, r.LaunchPlan),
		Metadata:   &admin.ExecutionMetadata{Mode: r.mode, Principal: r.User},
		Tags:       r.Tags,
	}
	if r.Parent.Name != "" {
		spec.Metadata.ParentNodeExecution = &core.NodeExecutionIdentifier{
			NodeId: cmp.Or(r.ParentNode, "n0"), ExecutionId: identifier(r.Parent),
		}
	}
	if r.Labels != nil {
		spec.Labels = &admin.Labels{Values: r.Labels}
	}
	return &admin.Execution{Id: identifier(r.ID), Spec: spec, Closure: r.closure(v)}
}

func (r *row) entity(t core.ResourceType, name string) *core.Identifier {
	return &core.Identifier{
		ResourceType: t, Org: r.ID.Org, Project: r.ID.Project, Domain: r.ID.Domain,
		Name: name, Version: r.WorkflowVersion,
	}
}

func (r *row) closure(v *version) *admin.ExecutionClosure {
	c := &admin.ExecutionClosure{
		Phase:         v.phase,
		CreatedAt:     timestamppb.New(r.CreatedAt),
		UpdatedAt:     timestamppb.New(v.reportedAt),
		StartedAt:     timestamp(v.startedAt),
		WorkflowId:    r.entity(core.ResourceType_WORKFLOW, r.Workflow),
		Notifications: r.declared,
		StateChangeDetails: &admin.ExecutionStateChangeDetails{
			State: state(v.archived), OccurredAt: timestamppb.New(r.CreatedAt), Principal: r.User,
		},
	}
	if v.ended {
		c.Duration = durationpb.New(v.duration)
	}
	switch {
	case v.abort != nil:
		c.OutputResult = &admin.ExecutionClosure_AbortMetadata{AbortMetadata: v.abort}
	case v.phase == core.WorkflowExecution_ABORTED:
		// The abort's own error replaced the metadata; flyteadmin puts back the cause, not the principal.
		c.OutputResult = &admin.ExecutionClosure_AbortMetadata{AbortMetadata: &admin.AbortMetadata{Cause: v.abortCause}}
	case v.failure != nil:
		c.OutputResult = &admin.ExecutionClosure_Error{Error: v.failure}
	case v.outputURI != "":
		blob := &admin.LiteralMapBlob{Data: &admin.LiteralMapBlob_Uri{Uri: v.outputURI}}
		c.OutputResult = &admin.ExecutionClosure_Outputs{Outputs: blob}
	}
	return c
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// trimmed is an error as lists show it.
func trimmed(e *core.ExecutionError) *core.ExecutionError {
	if e == nil || len(e.GetMessage()) <= trimmedError {
		return e
	}
	return &core.ExecutionError{
		Kind: e.GetKind(), Code: e.GetCode(), ErrorUri: e.GetErrorUri(),
		Message: strings.ToValidUTF8(e.GetMessage()[:trimmedError], ""),
	}
}

// alreadyTerminal is what flyteadmin answers to whoever would move what has ended.
func alreadyTerminal(message, phase string) error {
	reason := &admin.EventFailureReason{Reason: &admin.EventFailureReason_AlreadyInTerminalState{
		AlreadyInTerminalState: &admin.EventErrorAlreadyInTerminalState{CurrentPhase: phase},
	}}
	plain := status.New(codes.FailedPrecondition, message)
	if detailed, err := plain.WithDetails(reason); err == nil {
		return detailed.Err()
	}
	return plain.Err()
}
