package executor

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/render"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// Gather reads from flyteadmin what these rules look at of an execution, or of a node of it (empty: the whole),
// as a server does before it judges them. The error wraps flyte.ErrNotFound for an unknown execution.
func Gather(ctx context.Context, admin Admin, id flyte.ExecutionID, node string, rules []spec.Rule) (Facts, error) {
	n := &NotifierExecutor{admin: admin, log: slog.New(slog.DiscardHandler)} // reading facts takes no more of one
	x, err := n.facts(ctx, id)
	if err != nil {
		return Facts{}, fmt.Errorf("read execution %s: %w", id, err)
	}
	f := Facts{Execution: x}
	if node != "" {
		found, err := n.node(ctx, store.Watch{Execution: id, Node: node})
		if err != nil {
			return Facts{}, err
		}
		f.Node = &found
	}
	return f, n.gather(ctx, &f, needsOf(rules))
}

// Data are the template variables of an occurrence's message at the time now.
func (f Facts) Data(o Occurrence, now time.Time) render.Data { return f.data(o, now) }
