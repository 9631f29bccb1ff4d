package flytesim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// node is a node execution. Unlike executions, its changes are visible at once.
type node struct {
	id, parent string
	seq        int // order of creation
	specID     string
	retryGroup string
	isParent   bool
	isDynamic  bool
	isArray    bool
	dynamic    *core.CompiledWorkflowClosure // what a dynamic node made
	tasks      []*task

	phase      core.NodeExecution_Phase
	createdAt  time.Time
	updatedAt  time.Time // the server's clock
	reportedAt time.Time
	startedAt  time.Time
	duration   time.Duration
	ended      bool
	failure    *core.ExecutionError
	outputURI  string
}

// SetNode creates or moves a node of an execution. The id of a nested node names its parents as
// flyteadmin's ids do: "n0-0-n1" is n1 within the first attempt of n0, which is made if need be.
// It panics on an unknown execution or phase.
func (s *Server) SetNode(id flyte.ExecutionID, nodeID, phase string, changes ...Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := core.NodeExecution_Phase_value[phase]
	if !ok {
		panic(fmt.Sprintf("flytesim: no such node phase %q", phase))
	}
	c := s.change(changes)
	n := s.must(id).ensureNode(nodeID, c.at)
	n.move(core.NodeExecution_Phase(p), c.at, s.now())
	if c.failure != nil {
		n.failure, n.outputURI = c.failure, ""
	}
}

// ensureNode returns the node, made together with its parents if it is new.
func (r *row) ensureNode(id string, at time.Time) *node {
	if n := r.nodes[id]; n != nil {
		return n
	}
	parts := strings.Split(id, "-")
	if len(parts) < 3 {
		return r.addNode(id, "", at)
	}
	parent := strings.Join(parts[:len(parts)-2], "-")
	r.ensureNode(parent, at).isParent = true
	n := r.addNode(id, parent, at)
	n.retryGroup = parts[len(parts)-2]
	return n
}

func (r *row) addNode(id, parent string, at time.Time) *node {
	if r.nodes == nil {
		r.nodes = map[string]*node{}
	}
	n := &node{id: id, parent: parent, seq: len(r.nodes), specID: id[strings.LastIndex(id, "-")+1:], createdAt: at}
	r.nodes[id] = n
	return n
}

func (n *node) move(phase core.NodeExecution_Phase, at, now time.Time) {
	n.phase, n.reportedAt, n.updatedAt = phase, at, now
	switch {
	case phase == core.NodeExecution_RUNNING:
		n.startedAt = at
	case nodeTerminal(phase) && !n.startedAt.IsZero():
		n.duration, n.ended = at.Sub(n.startedAt), true
	}
}

// result keeps what an event says of the outcome; flyteadmin looks at it only at the end.
func (n *node) result(e *event.NodeExecutionEvent) {
	switch {
	case !nodeTerminal(n.phase):
	case e.GetOutputUri() != "":
		n.outputURI, n.failure = e.GetOutputUri(), nil
	case e.GetError() != nil:
		n.outputURI, n.failure = "", e.GetError()
	}
}

func nodeTerminal(p core.NodeExecution_Phase) bool { return flyte.NodeTerminal(p.String()) }

func noNode(r *row, id string) error {
	return status.Errorf(codes.NotFound, "missing entity of type node execution with identifier %s of %s", id, r.ID)
}

// GetNodeExecution answers one node.
func (s *Server) GetNodeExecution(_ context.Context, req *admin.NodeExecutionGetRequest) (*admin.NodeExecution, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.known(req.GetId().GetExecutionId())
	if err != nil {
		return nil, err
	}
	n := r.nodes[req.GetId().GetNodeId()]
	if n == nil {
		return nil, noNode(r, req.GetId().GetNodeId())
	}
	return r.nodeProto(n, n.failure), nil
}

// ListNodeExecutions answers the nodes directly below unique_parent_id, or the outermost ones:
// never those deeper down. An unknown execution has none.
func (s *Server) ListNodeExecutions(_ context.Context, req *admin.NodeExecutionListRequest) (*admin.NodeExecutionList, error) {
	filters, err := parseFilters(req.GetFilters(), nodeColumns)
	if err != nil {
		return nil, err
	}
	p, err := newPage(req.GetLimit(), req.GetToken())
	if err != nil {
		return nil, err
	}
	order, err := sorting(req.GetSortBy(), nodeColumns)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	parent := req.GetUniqueParentId()
	r, err := s.known(req.GetWorkflowExecutionId())
	switch {
	case status.Code(err) == codes.NotFound && parent == "":
		return &admin.NodeExecutionList{}, nil
	case err != nil:
		return nil, err
	case parent != "" && r.nodes[parent] == nil:
		return nil, noNode(r, parent)
	}
	var found []*node
	for _, n := range r.nodes {
		if n.parent == parent && matches(filters, n) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b *node) int { return cmp.Compare(a.seq, b.seq) })
	if order != nil {
		slices.SortStableFunc(found, order)
	}
	found, token := paged(p, found)
	answer := &admin.NodeExecutionList{Token: token}
	for _, n := range found {
		answer.NodeExecutions = append(answer.NodeExecutions, r.listedNode(n))
	}
	return answer, nil
}

// listedNode is the node as lists show it: there, and only there, whatever has nodes is a parent, a
// branch too, of which propeller does not say so.
func (r *row) listedNode(n *node) *admin.NodeExecution {
	out := r.nodeProto(n, trimmed(n.failure))
	if m := out.GetMetadata(); !m.GetIsParentNode() && !m.GetIsDynamic() {
		for _, child := range r.nodes {
			m.IsParentNode = m.IsParentNode || child.parent == n.id
		}
	}
	return out
}

func (r *row) nodeProto(n *node, failure *core.ExecutionError) *admin.NodeExecution {
	c := &admin.NodeExecutionClosure{
		Phase: n.phase, CreatedAt: timestamppb.New(n.createdAt),
		UpdatedAt: timestamppb.New(n.reportedAt), StartedAt: timestamp(n.startedAt),
	}
	if n.ended {
		c.Duration = durationpb.New(n.duration)
	}
	if failure != nil {
		c.OutputResult = &admin.NodeExecutionClosure_Error{Error: failure}
	} else if n.outputURI != "" {
		c.OutputResult = &admin.NodeExecutionClosure_OutputUri{OutputUri: n.outputURI}
	}
	return &admin.NodeExecution{
		Id:      &core.NodeExecutionIdentifier{NodeId: n.id, ExecutionId: identifier(r.ID)},
		Closure: c,
		Metadata: &admin.NodeExecutionMetaData{
			RetryGroup: n.retryGroup, SpecNodeId: n.specID,
			IsParentNode: n.isParent, IsDynamic: n.isDynamic, IsArray: n.isArray,
		},
	}
}
