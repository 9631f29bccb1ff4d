package flytesim_test

import (
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// dial starts the server and returns a client of it.
func dial(t *testing.T, s *flytesim.Server) service.AdminServiceClient {
	t.Helper()
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return service.NewAdminServiceClient(conn)
}

func id(name string) flyte.ExecutionID {
	return flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name}
}

func wire(i flyte.ExecutionID) *core.WorkflowExecutionIdentifier {
	return &core.WorkflowExecutionIdentifier{Project: i.Project, Domain: i.Domain, Name: i.Name}
}

func TestAnExecutionIsSeenFromItsCreationToItsEnd(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	c := dial(t, s)
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "train", User: "ada", Labels: map[string]string{"team": "ml"}})

	got, err := c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))})
	require.NoError(t, err)
	require.Equal(t, core.WorkflowExecution_UNDEFINED, got.GetClosure().GetPhase())
	require.Equal(t, "train", got.GetClosure().GetWorkflowId().GetName())
	require.Equal(t, "ada", got.GetSpec().GetMetadata().GetPrincipal())
	require.Equal(t, map[string]string{"team": "ml"}, got.GetSpec().GetLabels().GetValues())
	require.Nil(t, got.GetClosure().GetStartedAt())

	s.SetPhase(id("a"), "RUNNING")
	s.SetPhase(id("a"), "FAILED", flytesim.Error("USER", "Boom", "it broke"))
	got, err = c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))})
	require.NoError(t, err)
	require.Equal(t, core.WorkflowExecution_FAILED, got.GetClosure().GetPhase())
	require.Equal(t, "it broke", got.GetClosure().GetError().GetMessage())
	require.NotNil(t, got.GetClosure().GetDuration())
	require.Equal(t, 2, s.Calls()["GetExecution"])
}
