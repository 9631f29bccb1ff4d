package flyte

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/internal/memo"
)

// Client reads executions from one flyteadmin. It repeats nothing by itself. Its errors wrap
// ErrNotFound or the gRPC status that flyteadmin answered; they hold no credentials.
type Client struct {
	admin     service.AdminServiceClient
	signals   service.SignalServiceClient
	console   string
	conns     []*grpc.ClientConn
	workflows *memo.Memo[workflowID] // of executions, which never change it
	outlines  *memo.Memo[*outline]   // of workflow versions, which never change
}

// How many workflows are remembered, and of how many executions which they run; up to twice as many.
const (
	rememberedOutlines  = 500
	rememberedWorkflows = 5_000
)

// New returns a client on a connection that the caller keeps. consoleURL may be empty.
func New(conn grpc.ClientConnInterface, consoleURL string) *Client {
	return &Client{
		admin: service.NewAdminServiceClient(conn), signals: service.NewSignalServiceClient(conn),
		console:   strings.TrimRight(consoleURL, "/"),
		workflows: memo.New[workflowID](rememberedWorkflows, nil), outlines: memo.New[*outline](rememberedOutlines, nil),
	}
}

// Close closes the connections that Dial made.
func (c *Client) Close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Ping returns nil when flyteadmin answers and reaches its database. It asks for a project, which
// flyteadmins of every age answer to everyone who may call them at all.
func (c *Client) Ping(ctx context.Context) error {
	if _, err := c.admin.ListProjects(ctx, &admin.ProjectListRequest{Limit: 1}); err != nil {
		return fmt.Errorf("reach flyteadmin: %w", err)
	}
	return nil
}

// List returns the executions of the scope that have one of the names and, unless since is zero,
// that flyteadmin wrote to at or after since by its own clock. Archived ones are among them. It is
// one call, so that the caller chooses how many names: 100 to 500. Names that no execution can
// have (see ValidName) are passed over, like all that flyteadmin does not know.
func (c *Client) List(ctx context.Context, s Scope, names []string, since time.Time) ([]Row, error) {
	filter, n := listFilter(names, since)
	if n == 0 || !validPart(s.Project) || !validPart(s.Domain) {
		return nil, nil
	}
	list, err := c.admin.ListExecutions(ctx, &admin.ResourceListRequest{
		Id:      &admin.NamedEntityIdentifier{Org: s.Org, Project: s.Project, Domain: s.Domain},
		Limit:   uint32(n), //nolint:gosec // a number of names
		Filters: filter,
	})
	if err != nil {
		return nil, fmt.Errorf("list executions of %s: %w", s, err)
	}
	rows := make([]Row, 0, len(list.GetExecutions()))
	for _, e := range list.GetExecutions() {
		closure := e.GetClosure()
		rows = append(rows, Row{
			Name: e.GetId().GetName(), Phase: closure.GetPhase().String(),
			CreatedAt: moment(closure.GetCreatedAt()), StartedAt: moment(closure.GetStartedAt()),
		})
	}
	return rows, nil
}

// Execution returns the facts of an execution, or ErrNotFound.
func (c *Client) Execution(ctx context.Context, id ExecutionID) (Execution, error) {
	if !id.valid() {
		return Execution{}, fmt.Errorf("get execution %q: %w", id, ErrNotFound)
	}
	e, err := c.admin.GetExecution(ctx, &admin.WorkflowExecutionGetRequest{Id: id.proto()})
	if err != nil {
		return Execution{}, fmt.Errorf("get execution %s: %w", id, notFound(err))
	}
	return c.newExecution(id, e), nil
}

// valid says whether flyteadmin may know an execution of this name.
func (id ExecutionID) valid() bool {
	return validPart(id.Project) && validPart(id.Domain) && ValidName(id.Name)
}

func (id ExecutionID) proto() *core.WorkflowExecutionIdentifier {
	return &core.WorkflowExecutionIdentifier{Org: id.Org, Project: id.Project, Domain: id.Domain, Name: id.Name}
}

// notFound makes ErrNotFound of flyteadmin's answer that it does not know something.
func notFound(err error) error {
	if status.Code(err) == codes.NotFound {
		return ErrNotFound
	}
	return err
}
