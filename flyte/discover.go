package flyte

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
)

// Discover returns the executions of the scope that were created in [from, to) by flyteadmin's clock,
// archived ones among them, in no order. It asks for one page of at most limit, which must be
// positive. whole says that it holds them all; if not, the caller splits the window, since pages
// of changing rows skip some. An answer beyond the message limit is asked for with a smaller page.
//
// Times count in microseconds, so that windows that touch leave no gap. An execution becomes visible
// after its creation time, by as long as flyteadmin takes to create its workflow in Kubernetes:
// windows must overlap. Error messages are cut to 100 bytes; FailedNode is empty.
func (c *Client) Discover(ctx context.Context, s Scope, from, to time.Time, limit int) (found []Execution, whole bool, err error) {
	switch {
	case limit <= 0:
		return nil, false, errors.New("discover executions: the limit must be positive")
	case !validPart(s.Project), !validPart(s.Domain), !from.Before(to):
		return nil, true, nil
	}
	list, err := c.created(ctx, s, createdFilter(from, to), limit)
	for limit > 1 && tooLarge(err) {
		limit /= 2
		list, err = c.created(ctx, s, createdFilter(from, to), limit)
	}
	if err != nil {
		return nil, false, fmt.Errorf("discover executions of %s: %w", s, err)
	}
	for _, e := range list.GetExecutions() {
		found = append(found, c.newExecution(ExecutionID{Scope: s, Name: e.GetId().GetName()}, e))
	}
	return found, len(found) < limit, nil
}

func (c *Client) created(ctx context.Context, s Scope, filter string, limit int) (*admin.ExecutionList, error) {
	return c.admin.ListExecutions(ctx, &admin.ResourceListRequest{
		Id:      &admin.NamedEntityIdentifier{Org: s.Org, Project: s.Project, Domain: s.Domain},
		Limit:   uint32(limit), //nolint:gosec // positive, and a page
		Filters: filter,
	})
}
