package flyte_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

var production = flyte.Scope{Project: "ml", Domain: "production"}

func execution(name string) flyte.ExecutionID {
	return flyte.ExecutionID{Scope: production, Name: name}
}

// console is where the clients of these tests say the console is.
const console = "https://flyte.example.org/console/"

// newClient returns a client of the simulated flyteadmin on a plain connection.
func newClient(t *testing.T, s *flytesim.Server) *flyte.Client {
	t.Helper()
	endpoint, stop, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(stop)
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return flyte.New(conn, console)
}

var (
	created = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	started = created.Add(time.Minute)
	ended   = started.Add(2 * time.Hour)
)

// trained is the creation of an execution whose facts are all set.
func trained(name string) flytesim.Execution {
	return flytesim.Execution{
		ID: execution(name), Workflow: "flows.train", WorkflowVersion: "v7", LaunchPlan: "nightly",
		User: "ada@example.org", Labels: map[string]string{"team": "ml"}, CreatedAt: created,
	}
}

// facts are the facts of trained, in its first phase.
func facts(name string) flyte.Execution {
	return flyte.Execution{
		ID: execution(name), Phase: "UNDEFINED", Workflow: "flows.train", WorkflowVersion: "v7", LaunchPlan: "nightly",
		WorkflowScope: production, LaunchPlanScope: production, Trigger: "manual",
		User: "ada@example.org", Labels: map[string]string{"team": "ml"}, CreatedAt: created,
		ConsoleURL: "https://flyte.example.org/console/projects/ml/domains/production/executions/" + name,
	}
}

func TestFactsOfAnExecution(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		move func(*flytesim.Server, flyte.ExecutionID)
		want func(*flyte.Execution)
	}{
		"created": {move: func(*flytesim.Server, flyte.ExecutionID) {}, want: func(*flyte.Execution) {}},
		"running": {
			move: func(s *flytesim.Server, id flyte.ExecutionID) {
				s.SetPhase(id, "RUNNING", flytesim.At(started))
			},
			want: func(x *flyte.Execution) { x.Phase, x.StartedAt = "RUNNING", started },
		},
		"succeeded": {
			move: func(s *flytesim.Server, id flyte.ExecutionID) {
				s.SetPhase(id, "RUNNING", flytesim.At(started))
				s.SetPhase(id, "SUCCEEDED", flytesim.At(ended))
			},
			want: func(x *flyte.Execution) {
				x.Phase, x.StartedAt, x.EndedAt, x.Duration = "SUCCEEDED", started, ended, 2*time.Hour
			},
		},
		"failed and archived": {
			move: func(s *flytesim.Server, id flyte.ExecutionID) {
				s.SetPhase(id, "RUNNING", flytesim.At(started))
				s.SetPhase(id, "FAILED", flytesim.At(ended), flytesim.Error("USER", "ValueError", strings.Repeat("long ", 100)))
				s.Archive(id, true)
			},
			want: func(x *flyte.Execution) {
				x.Phase, x.StartedAt, x.EndedAt, x.Duration = "FAILED", started, ended, 2*time.Hour
				x.Error = flyte.ExecutionError{Kind: "USER", Code: "ValueError", Message: strings.Repeat("long ", 100)}
			},
		},
		"timed out": {
			move: func(s *flytesim.Server, id flyte.ExecutionID) {
				s.SetPhase(id, "TIMED_OUT", flytesim.At(ended), flytesim.Error("SYSTEM", "Timeout", "too long"))
			},
			want: func(x *flyte.Execution) { // it never started
				x.Phase, x.EndedAt = "TIMED_OUT", ended
				x.Error = flyte.ExecutionError{Kind: "SYSTEM", Code: "Timeout", Message: "too long"}
			},
		},
		"aborting": {
			move: func(s *flytesim.Server, id flyte.ExecutionID) {
				s.SetPhase(id, "RUNNING", flytesim.At(started))
				s.Abort(id, "grace", "wrong data")
			},
			want: func(x *flyte.Execution) {
				x.Phase, x.StartedAt = "ABORTING", started
				x.Error = flyte.ExecutionError{Kind: "ABORTED", Message: "wrong data"}
			},
		},
		"aborted, with propeller's own error": {
			move: func(s *flytesim.Server, id flyte.ExecutionID) {
				s.SetPhase(id, "RUNNING", flytesim.At(started))
				s.Abort(id, "grace", "wrong data")
				s.SetPhase(id, "ABORTED", flytesim.At(ended), flytesim.Error("USER", "Aborted", "propeller says so"))
			},
			want: func(x *flyte.Execution) {
				x.Phase, x.StartedAt, x.EndedAt, x.Duration = "ABORTED", started, ended, 2*time.Hour
				x.Error = flyte.ExecutionError{Kind: "ABORTED", Message: "wrong data"}
			},
		},
		"failed, and gone back to running": {
			move: func(s *flytesim.Server, id flyte.ExecutionID) {
				s.SetPhase(id, "FAILED", flytesim.At(ended), flytesim.Error("USER", "X", "Y"))
				s.SetPhase(id, "RUNNING", flytesim.At(started))
			},
			want: func(x *flyte.Execution) { x.Phase, x.StartedAt = "RUNNING", started },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := flytesim.New()
			s.Create(trained("a"))
			tc.move(s, execution("a"))
			want := facts("a")
			tc.want(&want)
			got, err := newClient(t, s).Execution(t.Context(), execution("a"))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestAnUnknownExecutionIsErrNotFound(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	c := newClient(t, s)
	for _, name := range []string{"b", "", "a;b", "a\x00", "\xff", strings.Repeat("a", 300)} {
		_, err := c.Execution(t.Context(), execution(name))
		require.ErrorIs(t, err, flyte.ErrNotFound, "%q", name)
		_, err = c.Node(t.Context(), execution(name), "n0")
		require.ErrorIs(t, err, flyte.ErrNotFound, "%q", name)
	}
	for _, name := range []string{"", "a;b", "\xff"} {
		_, err := c.Gates(t.Context(), execution(name))
		require.ErrorIs(t, err, flyte.ErrNotFound, "%q", name)
		_, err = c.RunningNodes(t.Context(), flyte.Execution{ID: execution(name)})
		require.ErrorIs(t, err, flyte.ErrNotFound, "%q", name)
	}
	require.Empty(t, s.Calls()["ListSignals"])
	require.Empty(t, s.Calls()["ListNodeExecutions"])
	require.Equal(t, 1, s.Calls()["GetExecution"], "names that cannot be are not asked for")
	for _, scope := range []flyte.Scope{{Domain: "production"}, {Project: "ml"}, {Project: "ml\x00", Domain: "production"}} {
		_, err := c.Execution(t.Context(), flyte.ExecutionID{Scope: scope, Name: "a"})
		require.ErrorIs(t, err, flyte.ErrNotFound)
		rows, err := c.List(t.Context(), scope, []string{"a"}, time.Time{})
		require.NoError(t, err)
		require.Empty(t, rows)
	}
}

func TestConsoleLinksAreEscaped(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "a b/c", Domain: "d?e"}, Name: "x"}
	s.Create(flytesim.Execution{ID: id, Workflow: "w"})
	got, err := newClient(t, s).Execution(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "https://flyte.example.org/console/projects/a%20b%2Fc/domains/d%3Fe/executions/x", got.ConsoleURL)
}

func TestAListFindsNamesArchivedOrNot(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	for _, name := range []string{"a", "b", "c"} {
		s.Create(trained(name))
	}
	s.SetPhase(execution("b"), "RUNNING", flytesim.At(started))
	s.SetPhase(execution("c"), "SUCCEEDED")
	s.Archive(execution("c"), true)
	c := newClient(t, s)
	rows, err := c.List(t.Context(), production, []string{"b", "a;b", "nobody", "c"}, time.Time{})
	require.NoError(t, err)
	require.ElementsMatch(t, []flyte.Row{
		{Name: "b", Phase: "RUNNING", CreatedAt: created, StartedAt: started},
		{Name: "c", Phase: "SUCCEEDED", CreatedAt: created}, // it never started
	}, rows)
	rows, err = c.List(t.Context(), production, []string{"a;b", ""}, time.Time{})
	require.NoError(t, err)
	require.Empty(t, rows)
	require.Equal(t, 1, s.Calls()["ListExecutions"], "no call without names")
}

func TestAListByTimeFindsWhatWasWrittenSince(t *testing.T) {
	t.Parallel()
	now := created
	s := flytesim.New(flytesim.WithClock(func() time.Time { return now }))
	s.Create(trained("a"))
	now = created.Add(time.Minute)
	s.Create(trained("b"))
	c := newClient(t, s)
	all := []string{"a", "b"}
	rows, err := c.List(t.Context(), production, all, created.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, []flyte.Row{{Name: "b", Phase: "UNDEFINED", CreatedAt: created}}, rows)
	rows, err = c.List(t.Context(), production, all, created.Add(-time.Hour).In(time.FixedZone("Delhi", 19800)))
	require.NoError(t, err)
	require.Len(t, rows, 2)
}

func TestErrorsKeepFlyteadminsCode(t *testing.T) {
	t.Parallel()
	s := flytesim.New()
	s.Create(trained("a"))
	c := newClient(t, s)
	require.NoError(t, c.Ping(t.Context()))
	s.SetFault(flytesim.All, flytesim.Fault{Code: codes.Internal, Message: "database is down"})
	for name, call := range map[string]func(context.Context) error{
		"reach flyteadmin":                            c.Ping,
		"list executions of ml/production":            func(ctx context.Context) error { _, err := c.List(ctx, production, []string{"a"}, created); return err },
		"get execution ml/production/a":               func(ctx context.Context) error { _, err := c.Execution(ctx, execution("a")); return err },
		"get node n0 of ml/production/a":              func(ctx context.Context) error { _, err := c.Node(ctx, execution("a"), "n0"); return err },
		"find failed node of ml/production/a: rpc er": func(ctx context.Context) error { _, err := c.FailedNode(ctx, execution("a")); return err },
		"list signals of ml/production/a: rpc er":     func(ctx context.Context) error { _, err := c.Gates(ctx, execution("a")); return err },
		"list running nodes of ml/production/a: rpc": func(ctx context.Context) error {
			_, err := c.RunningNodes(ctx, flyte.Execution{ID: execution("a")})
			return err
		},
		"discover executions of ml/production: rpc er": func(ctx context.Context) error {
			_, _, err := c.Discover(ctx, production, created, ended, 1)
			return err
		},
		"list projects: rpc er": func(ctx context.Context) error { _, err := c.Projects(ctx); return err },
	} {
		err := call(t.Context())
		require.Equal(t, codes.Internal, status.Code(err), name)
		require.ErrorContains(t, err, name)
		require.NotErrorIs(t, err, flyte.ErrNotFound)
	}
}
