package flyte

import (
	"context"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
)

// Succeeded returns executions of a launch plan, of any version, that have succeeded and that flyteadmin wrote
// of since then, by its clock: at most 100 of them, the ones that were created last. A launch plan whose
// name flyteadmin's filters cannot hold is asked for in vain: there are none.
func (c *Client) Succeeded(ctx context.Context, s Scope, launchPlan string, since time.Time) ([]Execution, error) {
	if !validPart(s.Project) || !validPart(s.Domain) || !validText(launchPlan) {
		return nil, nil
	}
	list, err := c.admin.ListExecutions(ctx, &admin.ResourceListRequest{
		Id:      &admin.NamedEntityIdentifier{Org: s.Org, Project: s.Project, Domain: s.Domain},
		Limit:   pageSize,
		Filters: succeededFilter(launchPlan, since),
		SortBy:  &admin.Sort{Key: "execution_created_at", Direction: admin.Sort_DESCENDING},
	})
	if err != nil {
		return nil, fmt.Errorf("find successes of launch plan %s: %w", launchPlan, err)
	}
	var found []Execution
	for _, e := range list.GetExecutions() {
		found = append(found, c.newExecution(ExecutionID{Scope: s, Name: e.GetId().GetName()}, e))
	}
	return found, nil
}
