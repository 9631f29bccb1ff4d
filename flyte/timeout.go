package flyte

import (
	"context"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
)

// TimesOutAt is when propeller ends the node for its Timeout if it does not end before; zero when it
// has none. Propeller counts the Timeout from the start of each attempt, retries the node when it is
// over, and gives up for good (TIMED_OUT) twice the Timeout after the node was queued. It looks only
// now and then, so that the end may come some seconds later.
//
// Without AttemptStartedAt this is the end of the first attempt until then, and after that of all
// attempts: for a node that failed and was retried it is too early at first. Limits that propeller's
// own config sets (default-deadlines) are not known here.
func (n Node) TimesOutAt(now time.Time) time.Time {
	if n.Timeout <= 0 {
		return time.Time{}
	}
	last, start := n.CreatedAt.Add(2*n.Timeout), n.StartedAt
	if n.AttemptStartedAt.After(start) {
		start = n.AttemptStartedAt
	}
	end := start.Add(n.Timeout)
	over := n.AttemptStartedAt.IsZero() && !now.Before(end) // of the first attempt: another one runs
	if start.IsZero() || over || end.After(last) {
		return last
	}
	return end
}

// Attempt returns the node with its AttemptStartedAt, which stays as it is where flyteadmin knows no
// attempts: what is no task has none. It is one call, so ask before a warning, not at each look.
func (c *Client) Attempt(ctx context.Context, id ExecutionID, n Node) (Node, error) {
	if !id.valid() || !validPart(n.ID) {
		return n, fmt.Errorf("find attempt of node %q of %q: %w", n.ID, id, ErrNotFound)
	}
	list, err := c.admin.ListTaskExecutions(ctx, &admin.TaskExecutionListRequest{
		NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: n.ID, ExecutionId: id.proto()}, Limit: 1,
		SortBy: &admin.Sort{Key: "retry_attempt", Direction: admin.Sort_DESCENDING},
	})
	if err != nil {
		return n, fmt.Errorf("find attempt of node %s of %s: %w", n.ID, id, notFound(err))
	}
	for _, last := range list.GetTaskExecutions() {
		n.AttemptStartedAt = moment(last.GetClosure().GetCreatedAt())
	}
	return n, nil
}
