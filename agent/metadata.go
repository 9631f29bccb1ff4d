package agent

import (
	"context"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// agents are the two that FlytePropeller learns of: is_sync belongs to an agent, not to a task type.
func agents() []*admin.Agent {
	return []*admin.Agent{describe(TypeNotification, false), describe(TypeSend, true)}
}

func describe(taskType string, sync bool) *admin.Agent {
	return &admin.Agent{
		Name:   taskType,
		IsSync: sync,
		// Older FlytePropellers read the types, newer ones the categories.
		SupportedTaskTypes:      []string{taskType},
		SupportedTaskCategories: []*admin.TaskCategory{{Name: taskType}},
	}
}

// ListAgents implements flyteidl's AgentMetadataService.
func (s *Service) ListAgents(context.Context, *admin.ListAgentsRequest) (*admin.ListAgentsResponse, error) {
	return &admin.ListAgentsResponse{Agents: agents()}, nil
}

// GetAgent implements flyteidl's AgentMetadataService. An unknown name is NotFound.
func (s *Service) GetAgent(_ context.Context, r *admin.GetAgentRequest) (*admin.GetAgentResponse, error) {
	for _, a := range agents() {
		if a.GetName() == r.GetName() {
			return &admin.GetAgentResponse{Agent: a}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "agent %q: not found; there are %s and %s",
		cut(r.GetName(), maxName), TypeNotification, TypeSend)
}
