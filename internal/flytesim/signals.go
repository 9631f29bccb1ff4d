package flytesim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// WaitAtGate makes a node RUNNING and creates the signal that it waits for, as propeller does when it
// comes to a gate. kind is the type of the answer, flyteidl's SimpleType by name in either case
// ("boolean"). It panics on an unknown execution or kind.
func (s *Server) WaitAtGate(id flyte.ExecutionID, node, signal, kind string, changes ...Change) {
	s.SetNode(id, node, "RUNNING", changes...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.getOrCreate(&core.SignalIdentifier{SignalId: signal, ExecutionId: identifier(id)}, simple(kind))
}

// Answer does what SetSignal does with a bool, int, float64, string, time.Time or time.Duration. The
// gate's node stays until SetNode or propeller's event moves it. It panics on what SetSignal refuses.
func (s *Server) Answer(id flyte.ExecutionID, signal string, answer any) {
	err := s.set(&admin.SignalSetRequest{
		Id: &core.SignalIdentifier{SignalId: signal, ExecutionId: identifier(id)}, Value: literal(answer),
	})
	if err != nil {
		panic(fmt.Sprintf("flytesim: answer %s of %s: %v", signal, id, err))
	}
}

// simple is a type by its name.
func simple(kind string) *core.LiteralType {
	t, ok := core.SimpleType_value[strings.ToUpper(kind)]
	if !ok {
		panic(fmt.Sprintf("flytesim: no such type %q", kind))
	}
	return &core.LiteralType{Type: &core.LiteralType_Simple{Simple: core.SimpleType(t)}}
}

func literal(v any) *core.Literal {
	p := &core.Primitive{}
	switch v := v.(type) {
	case bool:
		p.Value = &core.Primitive_Boolean{Boolean: v}
	case int:
		p.Value = &core.Primitive_Integer{Integer: int64(v)}
	case float64:
		p.Value = &core.Primitive_FloatValue{FloatValue: v}
	case string:
		p.Value = &core.Primitive_StringValue{StringValue: v}
	case time.Time:
		p.Value = &core.Primitive_Datetime{Datetime: timestamppb.New(v)}
	case time.Duration:
		p.Value = &core.Primitive_Duration{Duration: durationpb.New(v)}
	default:
		panic(fmt.Sprintf("flytesim: no answer is a %T", v))
	}
	return &core.Literal{Value: &core.Literal_Scalar{Scalar: &core.Scalar{Value: &core.Scalar_Primitive{Primitive: p}}}}
}

// signalColumns are those of signals.
var signalColumns = map[string]column[*admin.Signal]{
	"signal_id": {text, func(s *admin.Signal) value { return str(s.GetId().GetSignalId()) }},
}

// getOrCreate returns the signal, which is made if it is new: an execution has one of each id,
// however many gates wait for it. The caller holds the lock.
func (s *Server) getOrCreate(id *core.SignalIdentifier, t *core.LiteralType) *admin.Signal {
	if known := s.signal(id); known != nil {
		return known
	}
	x := executionID(id.GetExecutionId())
	made := &admin.Signal{Id: id, Type: t}
	s.signals[x] = append(s.signals[x], made)
	return made
}

// signal returns a signal, or nil. The caller holds the lock.
func (s *Server) signal(id *core.SignalIdentifier) *admin.Signal {
	for _, known := range s.signals[executionID(id.GetExecutionId())] {
		if known.GetId().GetSignalId() == id.GetSignalId() {
			return known
		}
	}
	return nil
}

// missing refuses an identifier of which something is.
func missing(id *core.SignalIdentifier) error {
	x := id.GetExecutionId()
	for _, field := range [][2]string{
		{"signal_id", id.GetSignalId()}, {"project", x.GetProject()}, {"domain", x.GetDomain()}, {"name", x.GetName()},
	} {
		if field[1] == "" {
			return status.Errorf(codes.InvalidArgument, "missing %s", field[0])
		}
	}
	return nil
}

// GetOrCreateSignal is what propeller calls each time that it comes to a gate. Flyteadmin does not
// look whether the execution is there.
func (s *Server) GetOrCreateSignal(_ context.Context, req *admin.SignalGetOrCreateRequest) (*admin.Signal, error) {
	if err := missing(req.GetId()); err != nil {
		return nil, err
	}
	if req.GetType() == nil {
		return nil, status.Error(codes.InvalidArgument, "missing type")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return proto.CloneOf(s.getOrCreate(req.GetId(), req.GetType())), nil
}

// ListSignals answers an execution's signals, answered or not, ended or not; none of an unknown one.
func (s *Server) ListSignals(_ context.Context, req *admin.SignalListRequest) (*admin.SignalList, error) {
	id := req.GetWorkflowExecutionId()
	if id.GetProject() == "" || id.GetDomain() == "" || id.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "missing execution_id")
	}
	p, err := newPage(req.GetLimit(), req.GetToken())
	if err != nil {
		return nil, err
	}
	filters, err := parseFilters(req.GetFilters(), signalColumns)
	if err != nil {
		return nil, err
	}
	order, err := sorting(req.GetSortBy(), signalColumns)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*admin.Signal
	for _, known := range s.signals[executionID(id)] {
		if matches(filters, known) {
			found = append(found, proto.CloneOf(known))
		}
	}
	if order != nil {
		slices.SortStableFunc(found, order)
	}
	found, token := paged(p, found)
	return &admin.SignalList{Signals: found, Token: token}, nil
}

// SetSignal answers a signal, or overwrites its answer without a word. One that no gate has come to
// yet is InvalidArgument.
func (s *Server) SetSignal(_ context.Context, req *admin.SignalSetRequest) (*admin.SignalSetResponse, error) {
	if err := s.set(req); err != nil {
		return nil, err
	}
	return &admin.SignalSetResponse{}, nil
}

func (s *Server) set(req *admin.SignalSetRequest) error {
	if err := missing(req.GetId()); err != nil {
		return err
	}
	if req.GetValue() == nil {
		return status.Error(codes.InvalidArgument, "missing value")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.signal(req.GetId())
	if known == nil {
		return status.Errorf(codes.InvalidArgument, "failed to validate that signal [%v] exists, err: [signal does not exist]", req.GetId())
	}
	if !castable(req.GetValue(), known.GetType()) {
		return status.Errorf(codes.InvalidArgument, "requested signal value [%v] is not castable to existing signal type [%v]",
			req.GetValue(), known.GetType())
	}
	known.Value = proto.CloneOf(req.GetValue())
	x := executionID(req.GetId().GetExecutionId())
	// An update writes a new tuple: unsorted lists have it last.
	s.signals[x] = append(slices.DeleteFunc(s.signals[x], func(other *admin.Signal) bool { return other == known }), known)
	return nil
}

// castable says whether a value is of the type, as far as both are primitive.
func castable(v *core.Literal, t *core.LiteralType) bool {
	want, ok := t.GetType().(*core.LiteralType_Simple)
	if !ok {
		return true
	}
	switch v.GetScalar().GetPrimitive().GetValue().(type) {
	case *core.Primitive_Boolean:
		return want.Simple == core.SimpleType_BOOLEAN
	case *core.Primitive_Integer:
		return want.Simple == core.SimpleType_INTEGER
	case *core.Primitive_FloatValue:
		return want.Simple == core.SimpleType_FLOAT
	case *core.Primitive_StringValue:
		return want.Simple == core.SimpleType_STRING
	case *core.Primitive_Datetime:
		return want.Simple == core.SimpleType_DATETIME
	case *core.Primitive_Duration:
		return want.Simple == core.SimpleType_DURATION
	}
	return true
}
