package flytesim

import (
	"cmp"
	"strconv"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// seen is an execution as one query sees it.
type seen struct {
	row *row
	v   *version
}

// executionColumns are flyteadmin's columns of executions that a filter or a sort may name, with
// those of the two entities that it joins. `name` is not among them: it is execution_name.
var executionColumns = map[string]column[seen]{
	"execution_project":    {text, func(s seen) value { return str(s.row.ID.Project) }},
	"execution_domain":     {text, func(s seen) value { return str(s.row.ID.Domain) }},
	"execution_name":       {text, func(s seen) value { return str(s.row.ID.Name) }},
	"phase":                {text, func(s seen) value { return str(s.v.phase.String()) }},
	"state":                {integer, func(s seen) value { return num(float64(state(s.v.archived))) }},
	"mode":                 {integer, func(s seen) value { return num(float64(s.row.mode)) }},
	"user":                 {text, func(s seen) value { return str(s.row.User) }},
	"abort_cause":          {text, func(s seen) value { return str(s.v.abortCause) }},
	"error_kind":           {text, func(s seen) value { return failed(s.v.failure, s.v.failure.GetKind().String()) }},
	"error_code":           {text, func(s seen) value { return failed(s.v.failure, s.v.failure.GetCode()) }},
	"duration":             {seconds, func(s seen) value { return num(s.v.duration.Seconds()) }},
	"started_at":           {instant, func(s seen) value { return when(s.v.startedAt) }},
	"created_at":           {instant, func(s seen) value { return when(s.row.CreatedAt) }},
	"updated_at":           {instant, func(s seen) value { return when(s.v.updatedAt) }},
	"execution_created_at": {instant, func(s seen) value { return when(s.row.CreatedAt) }},
	"execution_updated_at": {instant, func(s seen) value { return when(s.v.reportedAt) }},
	"workflow.name":        {text, func(s seen) value { return str(s.row.Workflow) }},
	"workflow.version":     {text, func(s seen) value { return str(s.row.WorkflowVersion) }},
	"launch_plan.name":     {text, func(s seen) value { return str(s.row.LaunchPlan) }},
}

// nodeColumns are those of node executions.
var nodeColumns = map[string]column[*node]{
	"node_id":                   {text, func(n *node) value { return str(n.id) }},
	"phase":                     {text, func(n *node) value { return str(n.phase.String()) }},
	"error_kind":                {text, func(n *node) value { return failed(n.failure, n.failure.GetKind().String()) }},
	"error_code":                {text, func(n *node) value { return failed(n.failure, n.failure.GetCode()) }},
	"duration":                  {seconds, func(n *node) value { return num(n.duration.Seconds()) }},
	"started_at":                {instant, func(n *node) value { return when(n.startedAt) }},
	"created_at":                {instant, func(n *node) value { return when(n.createdAt) }},
	"updated_at":                {instant, func(n *node) value { return when(n.updatedAt) }},
	"node_execution_created_at": {instant, func(n *node) value { return when(n.createdAt) }},
	"node_execution_updated_at": {instant, func(n *node) value { return when(n.reportedAt) }},
}

func str(s string) value  { return value{text: s} }
func num(n float64) value { return value{number: n} }

// when is a time as Postgres keeps it, in microseconds.
func when(t time.Time) value { return value{time: t.Truncate(time.Microsecond), null: t.IsZero()} }

func failed(e *core.ExecutionError, s string) value { return value{text: s, null: e == nil} }

// compare is -1, 0 or 1; of the three forms only the column's own is ever set.
func (v value) compare(w value) int {
	return cmp.Or(cmp.Compare(v.text, w.text), cmp.Compare(v.number, w.number), v.time.Compare(w.time))
}

// order is compare, with NULL greater than everything.
func (v value) order(w value) int {
	switch {
	case v.null && w.null:
		return 0
	case v.null:
		return 1
	case w.null:
		return -1
	}
	return v.compare(w)
}

// parseValue reads a filter's value as Postgres would.
func parseValue(k kind, s string) (value, error) {
	switch k {
	case integer:
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			return value{}, refused("invalid input syntax for type integer: " + strconv.Quote(s))
		}
		return num(float64(n)), nil
	case instant:
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return value{}, refused("invalid input syntax for type timestamp with time zone: " + strconv.Quote(s))
		}
		return value{time: t.Round(time.Microsecond)}, nil
	case seconds:
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return num(n), nil
		}
		d, err := time.ParseDuration(s)
		if err != nil {
			return value{}, status.Errorf(codes.InvalidArgument, "Failed to parse duration [%s]", s)
		}
		return num(d.Seconds()), nil
	}
	return str(s), nil
}

// state is kept here beside its column: 0 active, 1 archived.
func state(archived bool) admin.ExecutionState {
	if archived {
		return admin.ExecutionState_EXECUTION_ARCHIVED
	}
	return admin.ExecutionState_EXECUTION_ACTIVE
}
