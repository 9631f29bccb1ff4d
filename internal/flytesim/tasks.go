package flytesim

import (
	"context"
	"slices"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// task is a task execution, an attempt of a node: of it enough is kept to tell a duplicate event, and
// when it began.
type task struct {
	id        *core.Identifier
	attempt   uint32
	phase     core.TaskExecution_Phase
	version   uint32
	createdAt time.Time
	updatedAt time.Time
	startedAt time.Time
}

// taskColumns are those of task executions.
var taskColumns = map[string]column[*task]{
	"phase":                     {text, func(t *task) value { return str(t.phase.String()) }},
	"retry_attempt":             {integer, func(t *task) value { return num(float64(t.attempt)) }},
	"started_at":                {instant, func(t *task) value { return when(t.startedAt) }},
	"task_execution_created_at": {instant, func(t *task) value { return when(t.createdAt) }},
	"task_execution_updated_at": {instant, func(t *task) value { return when(t.updatedAt) }},
}

// SetAttempt creates or moves an attempt of a node, counted from 0, to any phase of a task ("RUNNING").
// The node itself stays as it is: flyteadmin is not told of retries. It panics on an unknown
// execution, node or phase.
func (s *Server) SetAttempt(id flyte.ExecutionID, node string, attempt int, phase string, changes ...Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := core.TaskExecution_Phase_value[phase]
	n := s.must(id).nodes[node]
	if !ok || n == nil {
		panic("flytesim: no such node " + node + " or task phase " + phase)
	}
	n.attempt(&core.Identifier{ResourceType: core.ResourceType_TASK, Name: node}, uint32(attempt)).
		move(core.TaskExecution_Phase(p), 0, s.change(changes).at)
}

// attempt returns a task execution, made if it is new.
func (n *node) attempt(id *core.Identifier, attempt uint32) *task {
	for _, t := range n.tasks {
		if t.attempt == attempt && proto.Equal(t.id, id) {
			return t
		}
	}
	t := &task{id: id, attempt: attempt}
	n.tasks = append(n.tasks, t)
	return t
}

func (t *task) move(phase core.TaskExecution_Phase, version uint32, at time.Time) {
	t.phase, t.version, t.updatedAt = phase, version, at
	if t.createdAt.IsZero() {
		t.createdAt = at
	}
	if phase == core.TaskExecution_RUNNING && t.startedAt.IsZero() {
		t.startedAt = at
	}
}

// CreateTaskEvent creates or moves an attempt, as propeller says.
func (s *Server) CreateTaskEvent(_ context.Context, req *admin.TaskExecutionEventRequest) (*admin.TaskExecutionEventResponse, error) {
	e := req.GetEvent()
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.known(e.GetParentNodeExecutionId().GetExecutionId())
	if err != nil {
		return nil, err
	}
	node := e.GetParentNodeExecutionId().GetNodeId()
	if r.nodes[node] == nil {
		return nil, noNode(r, node)
	}
	was := r.nodes[node].attempt(e.GetTaskId(), e.GetRetryAttempt())
	known := !was.createdAt.IsZero()
	switch {
	case known && was.phase == e.GetPhase() && was.version >= e.GetPhaseVersion():
		return nil, status.Errorf(codes.AlreadyExists, "have already recorded task execution phase %s (version: %d)", e.GetPhase(), e.GetPhaseVersion())
	case known && taskTerminal(was.phase):
		return nil, alreadyTerminal("invalid phase change from "+was.phase.String()+" to "+e.GetPhase().String(), e.GetPhase().String())
	}
	was.move(e.GetPhase(), e.GetPhaseVersion(), e.GetOccurredAt().AsTime())
	return &admin.TaskExecutionEventResponse{}, nil
}

func taskTerminal(p core.TaskExecution_Phase) bool {
	switch p {
	case core.TaskExecution_SUCCEEDED, core.TaskExecution_FAILED, core.TaskExecution_ABORTED:
		return true
	}
	return false
}

// ListTaskExecutions answers the attempts of a node; none of an unknown one.
func (s *Server) ListTaskExecutions(_ context.Context, req *admin.TaskExecutionListRequest) (*admin.TaskExecutionList, error) {
	id := req.GetNodeExecutionId()
	if id.GetNodeId() == "" {
		return nil, status.Error(codes.InvalidArgument, "missing node_id")
	}
	p, err := newPage(req.GetLimit(), req.GetToken())
	if err != nil {
		return nil, err
	}
	filters, err := parseFilters(req.GetFilters(), taskColumns)
	if err != nil {
		return nil, err
	}
	order, err := sorting(req.GetSortBy(), taskColumns)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*task
	if r, err := s.known(id.GetExecutionId()); status.Code(err) == codes.InvalidArgument {
		return nil, err
	} else if err == nil && r.nodes[id.GetNodeId()] != nil {
		found = slices.DeleteFunc(slices.Clone(r.nodes[id.GetNodeId()].tasks), func(t *task) bool { return !matches(filters, t) })
	}
	if order != nil {
		slices.SortStableFunc(found, order)
	}
	found, token := paged(p, found)
	answer := &admin.TaskExecutionList{Token: token}
	for _, t := range found {
		answer.TaskExecutions = append(answer.TaskExecutions, t.proto(id))
	}
	return answer, nil
}

func (t *task) proto(node *core.NodeExecutionIdentifier) *admin.TaskExecution {
	return &admin.TaskExecution{
		Id: &core.TaskExecutionIdentifier{TaskId: t.id, NodeExecutionId: node, RetryAttempt: t.attempt},
		Closure: &admin.TaskExecutionClosure{
			Phase: t.phase, CreatedAt: timestamppb.New(t.createdAt), UpdatedAt: timestamppb.New(t.updatedAt),
			StartedAt: timestamp(t.startedAt),
		},
	}
}
