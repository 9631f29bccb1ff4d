package flytesim_test

import (
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func dialSignals(t *testing.T, s *flytesim.Server) service.SignalServiceClient {
	t.Helper()
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return service.NewSignalServiceClient(conn)
}

func signalID(name string) *core.SignalIdentifier {
	return &core.SignalIdentifier{SignalId: name, ExecutionId: wire(id("a"))}
}

func simple(t core.SimpleType) *core.LiteralType {
	return &core.LiteralType{Type: &core.LiteralType_Simple{Simple: t}}
}

func primitive(p *core.Primitive) *core.Literal {
	return &core.Literal{Value: &core.Literal_Scalar{Scalar: &core.Scalar{Value: &core.Scalar_Primitive{Primitive: p}}}}
}

var yes = primitive(&core.Primitive{Value: &core.Primitive_Boolean{Boolean: true}})

func TestAPropellersGateWaitsUntilItsSignalIsSet(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	c := dialSignals(t, s)
	ask := &admin.SignalGetOrCreateRequest{Id: signalID("go"), Type: simple(core.SimpleType_BOOLEAN)}
	for range 2 { // each time that it comes by
		got, err := c.GetOrCreateSignal(t.Context(), ask)
		require.NoError(t, err)
		require.Nil(t, got.GetValue())
	}
	_, err := c.SetSignal(t.Context(), &admin.SignalSetRequest{Id: signalID("go"), Value: yes})
	require.NoError(t, err)
	got, err := c.GetOrCreateSignal(t.Context(), ask)
	require.NoError(t, err)
	require.True(t, got.GetValue().GetScalar().GetPrimitive().GetBoolean())
	list, err := c.ListSignals(t.Context(), &admin.SignalListRequest{WorkflowExecutionId: wire(id("a")), Limit: 10})
	require.NoError(t, err)
	require.Len(t, list.GetSignals(), 1, "answered ones stay")
}

func TestRefusedSignals(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	s.WaitAtGate(id("a"), "n0", "go", "boolean")
	c := dialSignals(t, s)
	set := func(id *core.SignalIdentifier, v *core.Literal) error {
		_, err := c.SetSignal(t.Context(), &admin.SignalSetRequest{Id: id, Value: v})
		return err
	}
	create := func(id *core.SignalIdentifier, kind *core.LiteralType) error {
		_, err := c.GetOrCreateSignal(t.Context(), &admin.SignalGetOrCreateRequest{Id: id, Type: kind})
		return err
	}
	list := func(req *admin.SignalListRequest) error {
		_, err := c.ListSignals(t.Context(), req)
		return err
	}
	text := primitive(&core.Primitive{Value: &core.Primitive_StringValue{StringValue: "yes"}})
	for want, err := range map[string]error{
		"exists, err":             set(signalID("later"), yes),
		"is not castable":         set(signalID("go"), text),
		"missing value":           set(signalID("go"), nil),
		"missing signal_id":       set(signalID(""), yes),
		"missing name":            create(&core.SignalIdentifier{SignalId: "s", ExecutionId: wire(id(""))}, simple(core.SimpleType_BOOLEAN)),
		"missing type":            create(signalID("s"), nil),
		"missing execution_id":    list(&admin.SignalListRequest{Limit: 1}),
		"value for limit":         list(&admin.SignalListRequest{WorkflowExecutionId: wire(id("a"))}),
		"invalid pagination":      list(&admin.SignalListRequest{WorkflowExecutionId: wire(id("a")), Limit: 1, Token: "x"}),
		"invalid sort key 'name'": list(&admin.SignalListRequest{WorkflowExecutionId: wire(id("a")), Limit: 1, SortBy: &admin.Sort{Key: "name"}}),
		"'name' is invalid":       list(&admin.SignalListRequest{WorkflowExecutionId: wire(id("a")), Limit: 1, Filters: "eq(name,go)"}),
	} {
		require.Equal(t, codes.InvalidArgument, status.Code(err), want)
		require.ErrorContains(t, err, want)
	}
	require.Panics(t, func() { s.Answer(id("a"), "later", true) })
	require.Panics(t, func() { s.Answer(id("a"), "go", 'x') })
	require.Panics(t, func() { s.WaitAtGate(id("a"), "n0", "s", "color") })
}

func TestSignalsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	answers := map[string]any{
		"boolean": true, "integer": 3, "float": 1.5, "string": "x", "datetime": time.Now(), "duration": time.Minute,
	}
	for kind, answer := range answers {
		s.WaitAtGate(id("a"), "n-"+kind, kind, kind)
		s.Answer(id("a"), kind, answer)
	}
	c := dialSignals(t, s)
	var found []string
	token := ""
	for {
		list, err := c.ListSignals(t.Context(), &admin.SignalListRequest{
			WorkflowExecutionId: wire(id("a")), Limit: 4, Token: token,
			SortBy: &admin.Sort{Key: "signal_id", Direction: admin.Sort_ASCENDING},
		})
		require.NoError(t, err)
		for _, one := range list.GetSignals() {
			require.NotNil(t, one.GetValue().GetScalar().GetPrimitive().GetValue())
			found = append(found, one.GetId().GetSignalId())
		}
		if token = list.GetToken(); token == "" {
			break
		}
	}
	require.Equal(t, []string{"boolean", "datetime", "duration", "float", "integer", "string"}, found)
	s.Answer(id("a"), "boolean", false)
	list, err := c.ListSignals(t.Context(), &admin.SignalListRequest{WorkflowExecutionId: wire(id("a")), Limit: 10})
	require.NoError(t, err)
	require.Equal(t, "boolean", list.GetSignals()[5].GetId().GetSignalId(), "what was written last comes last, unsorted")
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	list, err = c.ListSignals(t.Context(), &admin.SignalListRequest{WorkflowExecutionId: wire(id("a")), Limit: 10})
	require.NoError(t, err)
	require.Empty(t, list.GetSignals(), "a new execution has none of the old one's")
}

func TestSignalsMeetFaultsAndNeedATokenToo(t *testing.T) {
	t.Parallel()
	s := flytesim.New(flytesim.WithAuth(flytesim.Auth{Accept: func(string) bool { return false }}))
	c := dialSignals(t, s)
	req := &admin.SignalListRequest{WorkflowExecutionId: wire(id("a")), Limit: 1}
	_, err := c.ListSignals(t.Context(), req)
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	s.SetFault("ListSignals", flytesim.Fault{Code: codes.Internal, Message: "database is down"})
	_, err = c.ListSignals(t.Context(), req)
	require.ErrorContains(t, err, "database is down")
	require.Equal(t, 2, s.Calls()["ListSignals"])
}
