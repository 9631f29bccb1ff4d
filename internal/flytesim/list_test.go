package flytesim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

func listReq(filters string) *admin.ResourceListRequest {
	return &admin.ResourceListRequest{
		Id: &admin.NamedEntityIdentifier{Project: "ml", Domain: "production"}, Limit: 100, Filters: filters,
	}
}

func names(t *testing.T, c service.AdminServiceClient, req *admin.ResourceListRequest) []string {
	t.Helper()
	list, err := c.ListExecutions(t.Context(), req)
	require.NoError(t, err)
	found := []string{}
	for _, e := range list.GetExecutions() {
		found = append(found, e.GetId().GetName())
	}
	return found
}

// three returns a server with executions a (RUNNING at 10:00), b (FAILED at 11:00) and c
// (archived, SUCCEEDED at 12:00), and a client.
func three(t *testing.T) (*flytesim.Server, *clock, service.AdminServiceClient) {
	t.Helper()
	clk := newClock(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	s := flytesim.New(flytesim.WithClock(clk.now))
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "train", LaunchPlan: "nightly", User: "ada", Scheduled: true})
	s.SetPhase(id("a"), "RUNNING")
	clk.add(time.Hour)
	s.Create(flytesim.Execution{ID: id("b"), Workflow: "score"})
	s.SetPhase(id("b"), "FAILED", flytesim.Error("SYSTEM", "OOM", "out of memory"))
	clk.add(time.Hour)
	s.Create(flytesim.Execution{ID: id("c"), Workflow: "score"})
	s.SetPhase(id("c"), "RUNNING")
	s.SetPhase(id("c"), "SUCCEEDED", flytesim.At(clk.now().Add(time.Minute)))
	s.Archive(id("c"), true)
	return s, clk, dial(t, s)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	_, _, c := three(t)
	for filter, want := range map[string][]string{
		"":                                    {"a", "b"}, // archived ones are hidden
		"value_in(state,0;1)":                 {"a", "b", "c"},
		"eq(state,1)":                         {"c"},
		"value_in(execution_name,b;a)":        {"a", "b"},
		"value_in(execution_name,a;c;nobody)": {"a"},
		"value_in(execution_name,a;c)+value_in(state,0;1)":   {"a", "c"},
		"eq(execution_name, a)":                              {"a"}, // one space is eaten
		"ne(execution_name,a)":                               {"b"},
		"value_not_in(phase,RUNNING;QUEUED)":                 {"b"},
		"value_in(phase,FAILED;ABORTED)":                     {"b"},
		"eq(phase,failed)":                                   {}, // upper case only, and no error
		"gte(updated_at,2026-11-22T11:00:00Z)":               {"b"},
		"gt(updated_at,2026-11-22T11:00:00Z)":                {},
		"lte(updated_at,2026-11-22T10:00:00.0Z)":             {"a"},
		"lt(execution_created_at,2026-11-22T12:00:00-02:00)": {"a", "b"},
		"gte(started_at,2026-01-01T00:00:00Z)":               {"a"}, // b never started: NULL
		"eq(error_kind,SYSTEM)":                              {"b"},
		"eq(error_code,OOM)":                                 {"b"},
		"ne(error_code,x)":                                   {"b"}, // NULL passes nothing
		"contains(execution_name,b)":                         {"b"},
		"eq(workflow.name,train)":                            {"a"},
		"eq(launch_plan.name,score)":                         {"b"},
		"eq(user,ada)":                                       {"a"},
		"eq(mode,1)":                                         {"a"},
		"gte(duration,60)+value_in(state,0;1)":               {"c"},
		"gt(duration,1m)+value_in(state,0;1)":                {},
	} {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			found := names(t, c, listReq(filter))
			slices.Sort(found)
			require.Equal(t, want, found)
		})
	}
}

func TestRefusedLists(t *testing.T) {
	t.Parallel()
	_, _, c := three(t)
	for filter, want := range map[string]codes.Code{
		"eq(name,a)":         codes.InvalidArgument, // it is execution_name
		"eq(nonsense,a)":     codes.InvalidArgument,
		"like(phase,RUN)":    codes.InvalidArgument,
		"phase=RUNNING":      codes.InvalidArgument,
		"eq(phase,)":         codes.InvalidArgument,
		"eq(phase,RUNNING)+": codes.InvalidArgument,
		"gte(updated_at,2026-11-22T10:00:00+00:00)": codes.InvalidArgument, // the + separates
		"eq(duration,long)":                         codes.InvalidArgument,
		"gte(updated_at,yesterday)":                 codes.Unknown, // the database refuses the value
		"eq(state,ACTIVE)":                          codes.Unknown,
		"eq(phase,A;B)":                             codes.Unknown,
	} {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			_, err := c.ListExecutions(t.Context(), listReq(filter))
			require.Equal(t, want, status.Code(err), "%v", err)
		})
	}
	for name, spoil := range map[string]func(*admin.ResourceListRequest){
		"no project": func(r *admin.ResourceListRequest) { r.Id.Project = "" },
		"no domain":  func(r *admin.ResourceListRequest) { r.Id.Domain = "" },
		"no id":      func(r *admin.ResourceListRequest) { r.Id = nil },
		"no limit":   func(r *admin.ResourceListRequest) { r.Limit = 0 },
		"bad token":  func(r *admin.ResourceListRequest) { r.Token = "next" },
		"bad sort":   func(r *admin.ResourceListRequest) { r.SortBy = &admin.Sort{Key: "name"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := listReq("")
			spoil(req)
			_, err := c.ListExecutions(t.Context(), req)
			require.Equal(t, codes.InvalidArgument, status.Code(err), "%v", err)
		})
	}
}

func TestAScopeSeesOnlyItself(t *testing.T) {
	t.Parallel()
	_, _, c := three(t)
	req := listReq("")
	req.Id.Domain = "development"
	require.Empty(t, names(t, c, req))
	req = listReq("")
	req.Id.Name = "b"
	require.Equal(t, []string{"b"}, names(t, c, req))
}

func TestPagingByOffsetSkipsRowsThatChange(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	for i := range 6 {
		s.Create(flytesim.Execution{ID: id(fmt.Sprintf("e%d", i)), Workflow: "w"})
	}
	c := dial(t, s)
	req := listReq("")
	req.Limit = 3
	first, err := c.ListExecutions(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "3", first.GetToken())
	s.SetPhase(id("e0"), "RUNNING") // its row moves behind the others
	req.Token = first.GetToken()
	require.Equal(t, []string{"e4", "e5", "e0"}, names(t, c, req), "e3 is skipped")
	req.Token = "6"
	last, err := c.ListExecutions(t.Context(), req)
	require.NoError(t, err)
	require.Empty(t, last.GetExecutions())
	require.Empty(t, last.GetToken())
}

func TestSortsHaveNoTieBreak(t *testing.T) {
	t.Parallel()
	clk := newClock(time.Unix(1e9, 0))
	s := flytesim.New(flytesim.WithClock(clk.now))
	for _, n := range []string{"a", "b", "c"} {
		s.Create(flytesim.Execution{ID: id(n), Workflow: "w"})
	}
	c := dial(t, s)
	req := listReq("")
	req.SortBy = &admin.Sort{Key: "execution_created_at", Direction: admin.Sort_ASCENDING}
	require.Equal(t, []string{"a", "b", "c"}, names(t, c, req))
	s.SetPhase(id("a"), "RUNNING")
	require.Equal(t, []string{"b", "c", "a"}, names(t, c, req), "equal keys change their order")
	req.SortBy = &admin.Sort{Key: "execution_name", Direction: admin.Sort_DESCENDING}
	require.Equal(t, []string{"c", "b", "a"}, names(t, c, req))
}

func TestListsTrimErrorsAndGetsDoNot(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	long := strings.Repeat("ä", 90)
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w"})
	s.SetPhase(id("a"), "FAILED", flytesim.Error("USER", "X", long))
	c := dial(t, s)
	list, err := c.ListExecutions(t.Context(), listReq(""))
	require.NoError(t, err)
	require.Equal(t, long[:100], list.GetExecutions()[0].GetClosure().GetError().GetMessage())
	got, err := c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))})
	require.NoError(t, err)
	require.Equal(t, long, got.GetClosure().GetError().GetMessage())
}

func TestAnAnswerCanBeLargerThanTheDefaultLimit(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	for i := range 5 {
		s.Create(flytesim.Execution{ID: id(fmt.Sprint("e", i)), Workflow: "w", Labels: map[string]string{"big": strings.Repeat("x", 1<<20)}})
	}
	_, err := dial(t, s).ListExecutions(t.Context(), listReq(""))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

func TestTheVersionIsTheOneThatIsSimulated(t *testing.T) {
	t.Parallel()
	_, c := one(t)
	version, err := c.GetVersion(t.Context(), &admin.GetVersionRequest{})
	require.NoError(t, err)
	require.Equal(t, "v1.16.8", version.GetControlPlaneVersion().GetVersion())
}

func TestNullIsSortedAsTheGreatest(t *testing.T) {
	t.Parallel()
	s, _, c := three(t)
	s.Create(flytesim.Execution{ID: id("d"), Workflow: "w"})
	sorted := func(d admin.Sort_Direction) []string {
		req := listReq("value_in(execution_name,a;d)")
		req.SortBy = &admin.Sort{Key: "started_at", Direction: d}
		return names(t, c, req)
	}
	require.Equal(t, []string{"a", "d"}, sorted(admin.Sort_ASCENDING), "d never started")
	require.Equal(t, []string{"d", "a"}, sorted(admin.Sort_DESCENDING))
}

func TestALateExecutionIsSeenLaterThanItWasCreated(t *testing.T) {
	t.Parallel()
	clk := newClock(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	s := flytesim.New(flytesim.WithClock(clk.now))
	s.Create(flytesim.Execution{ID: id("a"), Workflow: "w", Late: time.Minute})
	c := dial(t, s)
	window := listReq("gte(execution_created_at,2026-11-22T10:00:00Z)+lt(execution_created_at,2026-11-22T10:00:01Z)")
	clk.add(59 * time.Second)
	require.Empty(t, names(t, c, window))
	_, err := c.GetExecution(t.Context(), &admin.WorkflowExecutionGetRequest{Id: wire(id("a"))})
	require.Equal(t, codes.NotFound, status.Code(err))
	clk.add(time.Second)
	require.Equal(t, []string{"a"}, names(t, c, window))
}

func TestUpdatedAtIsStampedBeforeItIsVisible(t *testing.T) {
	t.Parallel()
	s, clk, c := three(t)
	s.SetPhase(id("a"), "FAILED", flytesim.Late(3*time.Second))
	stamp := clk.now().Format(time.RFC3339)
	clk.add(2 * time.Second)
	require.Equal(t, []string{"a"}, names(t, c, listReq("eq(phase,RUNNING)")), "not committed yet")
	after := clk.now().Add(-time.Second).Format(time.RFC3339)
	clk.add(time.Second)
	require.Empty(t, names(t, c, listReq("eq(phase,FAILED)+gte(updated_at,"+after+")")), "and then it is older than it seems")
	require.Equal(t, []string{"a"}, names(t, c, listReq("value_in(execution_name,a)+gte(updated_at,"+stamp+")")))
}

func TestAWriteWaitsForTheOneBefore(t *testing.T) {
	t.Parallel()
	s, clk, c := three(t)
	s.SetLate(5 * time.Second)
	s.SetPhase(id("a"), "FAILING")
	s.SetLate(0)
	clk.add(time.Second)
	s.SetPhase(id("a"), "FAILED")
	require.Equal(t, []string{"a"}, names(t, c, listReq("eq(phase,RUNNING)")))
	clk.add(4 * time.Second)
	require.Equal(t, []string{"b", "a"}, names(t, c, listReq("eq(phase,FAILED)")))
	s.Create(flytesim.Execution{ID: id("new"), Workflow: "w"})
	require.Contains(t, names(t, c, listReq("")), "new")
}

func TestAnExecutionCreatedLateIsNotFoundAtFirst(t *testing.T) {
	t.Parallel()
	s, clk, c := three(t)
	s.SetLate(time.Second)
	s.Create(flytesim.Execution{ID: id("d"), Workflow: "w"})
	get := &admin.WorkflowExecutionGetRequest{Id: wire(id("d"))}
	_, err := c.GetExecution(t.Context(), get)
	require.Equal(t, codes.NotFound, status.Code(err))
	clk.add(time.Second)
	got, err := c.GetExecution(t.Context(), get)
	require.NoError(t, err)
	require.Equal(t, core.WorkflowExecution_UNDEFINED, got.GetClosure().GetPhase())
}
