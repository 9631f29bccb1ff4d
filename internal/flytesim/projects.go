package flytesim

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
)

// AddProject adds a project without executions; Create adds that of its execution.
func (s *Server) AddProject(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.project(id)
}

// SetProjectState changes a project's state, flyteidl's Project.ProjectState by name ("ARCHIVED"); a
// new one is ACTIVE. Its executions stay as they are. It panics on an unknown state.
func (s *Server) SetProjectState(id, state string) {
	n, ok := admin.Project_ProjectState_value[state]
	if !ok {
		panic(fmt.Sprintf("flytesim: no such project state %q", state))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.project(id).State = admin.Project_ProjectState(n)
}

// project returns a project, made if it is new. The caller holds the lock.
func (s *Server) project(id string) *admin.Project {
	i, found := slices.BinarySearchFunc(s.projects, id, func(p *admin.Project, id string) int { return cmp.Compare(p.GetId(), id) })
	if !found {
		s.projects = slices.Insert(s.projects, i, &admin.Project{Id: id, Name: id})
	}
	return s.projects[i]
}

// projectColumns are those of projects.
var projectColumns = map[string]column[*admin.Project]{
	"identifier": {text, func(p *admin.Project) value { return str(p.GetId()) }},
	"name":       {text, func(p *admin.Project) value { return str(p.GetName()) }},
	"state":      {integer, func(p *admin.Project) value { return num(float64(p.GetState())) }},
}

// ListProjects answers the projects by id, each with all domains: flyteadmin has the same for all.
// Archived ones are hidden unless there is a filter, of whatever.
func (s *Server) ListProjects(_ context.Context, req *admin.ProjectListRequest) (*admin.Projects, error) {
	limit := req.GetLimit()
	if limit == 0 {
		limit = 1 << 20 // none is all, here
	}
	p, err := newPage(limit, req.GetToken())
	if err != nil {
		return nil, err
	}
	filters, err := parseFilters(req.GetFilters(), projectColumns)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*admin.Project
	for _, p := range s.projects {
		if hidden := len(filters) == 0 && p.GetState() == admin.Project_ARCHIVED; !hidden && matches(filters, p) {
			found = append(found, p)
		}
	}
	found, token := paged(p, found)
	answer := &admin.Projects{Token: token}
	for _, p := range found {
		answer.Projects = append(answer.Projects, &admin.Project{
			Id: p.GetId(), Name: p.GetName(), State: p.GetState(), Domains: s.allDomains(),
		})
	}
	return answer, nil
}

func (s *Server) allDomains() []*admin.Domain {
	domains := make([]*admin.Domain, 0, len(s.domains))
	for _, id := range s.domains {
		domains = append(domains, &admin.Domain{Id: id, Name: id})
	}
	return domains
}
