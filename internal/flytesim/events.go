package flytesim

import (
	"context"
	"fmt"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// CreateWorkflowEvent moves an execution as propeller says. A phase already recorded is
// AlreadyExists; nothing moves an execution that has ended.
func (s *Server) CreateWorkflowEvent(_ context.Context, req *admin.WorkflowExecutionEventRequest) (*admin.WorkflowExecutionEventResponse, error) {
	e := req.GetEvent()
	if e.GetOccurredAt() == nil {
		return nil, status.Error(codes.InvalidArgument, "missing occurred_at")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.known(e.GetExecutionId())
	if err != nil {
		return nil, err
	}
	v := r.last()
	if err := transition(v.phase, e); err != nil {
		return nil, err
	}
	v.move(e.GetPhase(), e.GetOccurredAt().AsTime())
	switch {
	case e.GetOutputUri() != "":
		v.outputURI, v.failure, v.abort = e.GetOutputUri(), nil, nil
	case e.GetError() != nil:
		v.outputURI, v.failure, v.abort = "", e.GetError(), nil
	}
	s.write(r, v, 0)
	return &admin.WorkflowExecutionEventResponse{}, nil
}

// transition says why an execution in phase from cannot follow the event, as flyteadmin does.
func transition(from core.WorkflowExecution_Phase, e *event.WorkflowExecutionEvent) error {
	to := e.GetPhase()
	switch {
	case from == to && to != core.WorkflowExecution_QUEUED:
		return status.Errorf(codes.AlreadyExists, "This phase %s was already recorded for workflow execution %v", from, e.GetExecutionId())
	case terminal(from):
		return alreadyTerminal(fmt.Sprintf("Invalid phase change from %s to %s for workflow execution %v", from, to, e.GetExecutionId()), from.String())
	case from == core.WorkflowExecution_RUNNING && to == core.WorkflowExecution_QUEUED,
		from == core.WorkflowExecution_ABORTING && !terminal(to):
		return status.Errorf(codes.FailedPrecondition, "Cannot go from %s to %s for workflow execution %v", from, to, e.GetExecutionId())
	}
	return nil
}

// CreateNodeEvent creates or moves a node. Its parent, if it names one, must be there.
func (s *Server) CreateNodeEvent(_ context.Context, req *admin.NodeExecutionEventRequest) (*admin.NodeExecutionEventResponse, error) {
	e := req.GetEvent()
	if e.GetId().GetNodeId() == "" || e.GetOccurredAt() == nil {
		return nil, status.Error(codes.InvalidArgument, "missing node_id or occurred_at")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.known(e.GetId().GetExecutionId())
	if err != nil {
		return nil, err
	}
	parent := e.GetParentNodeMetadata().GetNodeId()
	if parent != "" && r.nodes[parent] == nil {
		return nil, noNode(r, parent)
	}
	n := r.nodes[e.GetId().GetNodeId()]
	if n == nil {
		n = r.addNode(e.GetId().GetNodeId(), parent, e.GetOccurredAt().AsTime())
	} else if err := nodeTransition(n.phase, e); err != nil {
		return nil, err
	}
	n.specID, n.retryGroup = e.GetSpecNodeId(), e.GetRetryGroup()
	n.isParent, n.isDynamic = n.isParent || e.GetIsParent(), n.isDynamic || e.GetIsDynamic()
	n.isArray = n.isArray || e.GetIsArray()
	n.dynamic = e.GetTaskNodeMetadata().GetDynamicWorkflow().GetCompiledWorkflow() // gone with the next event, as there
	n.move(e.GetPhase(), e.GetOccurredAt().AsTime(), s.now())
	n.result(e)
	return &admin.NodeExecutionEventResponse{}, nil
}

func nodeTransition(from core.NodeExecution_Phase, e *event.NodeExecutionEvent) error {
	switch {
	case from == e.GetPhase():
		return status.Errorf(codes.AlreadyExists, "This phase was already recorded %s for %v", from, e.GetId())
	case nodeTerminal(from):
		return alreadyTerminal(fmt.Sprintf("Invalid phase change from %s to %s for node execution %v", from, e.GetPhase(), e.GetId()), e.GetPhase().String())
	}
	return nil
}
