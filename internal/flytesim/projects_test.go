package flytesim_test

import (
	"testing"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func TestProjectsAreSortedAndHaveAllDomains(t *testing.T) {
	t.Parallel()
	s, _, c := three(t)
	s.AddProject("web")
	other := id("x")
	other.Project, other.Domain = "data", "lab"
	s.Create(flytesim.Execution{ID: other, Workflow: "w"})
	s.SetProjectState("web", "ARCHIVED")
	ids := func(req *admin.ProjectListRequest) (ids []string, token string) {
		got, err := c.ListProjects(t.Context(), req)
		require.NoError(t, err)
		for _, p := range got.GetProjects() {
			ids = append(ids, p.GetId())
			require.Len(t, p.GetDomains(), 4)
			require.Equal(t, "development", p.GetDomains()[0].GetId())
			require.Equal(t, "lab", p.GetDomains()[3].GetId())
		}
		return ids, got.GetToken()
	}
	all, token := ids(&admin.ProjectListRequest{})
	require.Equal(t, []string{"data", "ml"}, all, "archived ones are hidden")
	require.Empty(t, token)
	all, token = ids(&admin.ProjectListRequest{Limit: 1})
	require.Equal(t, []string{"data"}, all)
	require.Equal(t, "1", token)
	all, _ = ids(&admin.ProjectListRequest{Filters: "ne(identifier,ml)"})
	require.Equal(t, []string{"data", "web"}, all, "any filter shows archived ones")
	s.SetProjectState("web", "ACTIVE")
	all, _ = ids(&admin.ProjectListRequest{Filters: "eq(state,0)"})
	require.Equal(t, []string{"data", "ml", "web"}, all)
	_, err := c.ListProjects(t.Context(), &admin.ProjectListRequest{Filters: "eq(color,red)"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Panics(t, func() { s.SetProjectState("web", "archived") })
}
