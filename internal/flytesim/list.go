package flytesim

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// page is a limit and the offset that a token holds.
type page struct{ limit, offset int }

func newPage(limit uint32, token string) (page, error) {
	if limit == 0 {
		return page{}, status.Error(codes.InvalidArgument, "invalid value for limit")
	}
	p := page{limit: int(limit)}
	if token != "" {
		offset, err := strconv.Atoi(token)
		if err != nil || offset < 0 {
			return page{}, status.Errorf(codes.InvalidArgument, "invalid pagination token %s", token)
		}
		p.offset = offset
	}
	return p, nil
}

// paged cuts a page out of all; the token of the next one is an offset into a list that will
// have changed by then.
func paged[T any](p page, all []T) (found []T, token string) {
	all = all[min(p.offset, len(all)):]
	if len(all) < p.limit {
		return all, ""
	}
	return all[:p.limit], strconv.Itoa(p.offset + p.limit)
}

// ListExecutions answers the executions of one project and domain as they are visible now.
// Archived ones are hidden unless a filter names state; error messages are cut.
func (s *Server) ListExecutions(_ context.Context, req *admin.ResourceListRequest) (*admin.ExecutionList, error) {
	id := req.GetId()
	if id.GetProject() == "" || id.GetDomain() == "" {
		return nil, status.Error(codes.InvalidArgument, "missing project or domain")
	}
	p, err := newPage(req.GetLimit(), req.GetToken())
	if err != nil {
		return nil, err
	}
	filters, err := parseFilters(req.GetFilters(), executionColumns)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(filters, func(f filter[seen]) bool { return f.field == "state" }) {
		filters = append(filters, filter[seen]{
			function: "eq", field: "state", column: executionColumns["state"], values: []value{num(0)},
		})
	}
	if name := id.GetName(); name != "" {
		filters = append(filters, filter[seen]{
			function: "eq", field: "execution_name", column: executionColumns["execution_name"],
			values: []value{str(name)}, texts: map[string]bool{name: true},
		})
	}
	order, err := sorting(req.GetSortBy(), executionColumns)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := s.query(flyte.Scope{Org: id.GetOrg(), Project: id.GetProject(), Domain: id.GetDomain()}, filters)
	if order != nil {
		slices.SortStableFunc(found, order)
	}
	found, token := paged(p, found)
	answer := &admin.ExecutionList{Token: token}
	for _, f := range found {
		answer.Executions = append(answer.Executions, f.row.listed(f.v))
	}
	return answer, nil
}

// query returns what passes the filters, in the order of the heap: names are looked up, anything
// else reads the whole scope. The caller holds the lock.
func (s *Server) query(id flyte.Scope, filters []filter[seen]) []seen {
	sc := s.scopes[id]
	if sc == nil {
		return nil
	}
	now := s.now()
	var found []seen
	take := func(r *row) {
		if v := r.at(now); v != nil && matches(filters, seen{r, v}) {
			found = append(found, seen{r, v})
		}
	}
	if names, ok := namesOf(filters); ok {
		for _, name := range names {
			if r := sc.byName[name]; r != nil {
				take(r)
			}
		}
		return found
	}
	for e := sc.heap.Front(); e != nil; e = e.Next() {
		take(e.Value.(*row))
	}
	return found
}

// namesOf returns the names that the filters allow, each once.
func namesOf(filters []filter[seen]) ([]string, bool) {
	for _, f := range filters {
		if f.field != "execution_name" || f.function != "eq" && f.function != "value_in" {
			continue
		}
		return slices.Sorted(maps.Keys(f.texts)), true
	}
	return nil, false
}

// sorting returns the order that a request asks for, nil for none. Rows with equal keys come in
// the order of the heap, which changes with every update: there is no tie-break. As in Postgres
// NULL counts as greater than all values.
func sorting[T any](by *admin.Sort, columns map[string]column[T]) (func(a, b T) int, error) {
	if by == nil {
		return nil, nil
	}
	c, ok := columns[by.GetKey()]
	if !ok {
		return nil, status.Errorf(codes.InvalidArgument, "invalid sort key '%s'", by.GetKey())
	}
	sign := -1
	if by.GetDirection() == admin.Sort_ASCENDING {
		sign = 1
	}
	return func(a, b T) int { return sign * c.of(a).order(c.of(b)) }, nil
}

// listed is the execution as lists show it.
func (r *row) listed(v *version) *admin.Execution {
	short := *v
	short.failure = trimmed(v.failure)
	return r.proto(&short)
}

// GetVersion answers the version whose behavior this is.
func (s *Server) GetVersion(context.Context, *admin.GetVersionRequest) (*admin.GetVersionResponse, error) {
	return &admin.GetVersionResponse{ControlPlaneVersion: &admin.Version{
		Version: "v1.16.8", Build: "simulated", BuildTime: time.Time{}.Format(time.RFC3339),
	}}, nil
}
