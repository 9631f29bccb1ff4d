package flyte

import (
	"context"
	"fmt"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
)

// Project is one in which executions can be started.
type Project struct {
	ID      string
	Domains []string // ids; flyteadmin has the same for every project
}

const (
	pageSize  = 100 // of lists that are read to their end
	mostPages = 100 // of one; more is a server that never ends
)

// Projects returns the active projects, by id. Flyteadmin starts nothing in others.
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	var out []Project
	token := ""
	for range mostPages {
		// Flyteadmin sorts by id, so that a project's creation shifts pages but hides none.
		list, err := c.admin.ListProjects(ctx, &admin.ProjectListRequest{Limit: pageSize, Token: token})
		if err != nil {
			return nil, fmt.Errorf("list projects: %w", err)
		}
		for _, p := range list.GetProjects() {
			if repeated := len(out) > 0 && out[len(out)-1].ID == p.GetId(); p.GetState() == admin.Project_ACTIVE && !repeated {
				out = append(out, newProject(p))
			}
		}
		if token = list.GetToken(); token == "" {
			return out, nil
		}
	}
	return nil, fmt.Errorf("list projects: more than %d", mostPages*pageSize)
}

func newProject(p *admin.Project) Project {
	out := Project{ID: p.GetId()}
	for _, d := range p.GetDomains() {
		out.Domains = append(out.Domains, d.GetId())
	}
	return out
}
