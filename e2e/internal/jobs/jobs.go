// Package jobs is a small agent for the task type of the workflows under watch: nodes that
// succeed, fail or hang as a test wants.
package jobs

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"
)

// TaskType is the type of the tasks that this agent runs.
const TaskType = "e2e_job"

// Outcome is what a job comes to.
type Outcome struct {
	Phase   core.TaskExecution_Phase
	Message string
}

// The outcomes; a job fails with Failed(message).
var (
	Succeeded = Outcome{Phase: core.TaskExecution_SUCCEEDED}
	Hanging   = Outcome{Phase: core.TaskExecution_RUNNING}
)

// Failed is a permanent failure with this message.
func Failed(message string) Outcome {
	return Outcome{Phase: core.TaskExecution_FAILED, Message: message}
}

// Agent runs jobs by the name in their `custom`. It is safe for concurrent use.
type Agent struct {
	service.UnimplementedAsyncAgentServiceServer
	service.UnimplementedAgentMetadataServiceServer

	server  *grpc.Server
	address string

	mu       sync.Mutex
	outcomes map[string]Outcome
	created  []string
	deleted  []string
	inputs   map[string]*core.LiteralMap
}

// Start serves on a free loopback port until Close.
func Start() (*Agent, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for jobs: %w", err)
	}
	a := &Agent{
		server: grpc.NewServer(), address: l.Addr().String(),
		outcomes: map[string]Outcome{}, inputs: map[string]*core.LiteralMap{},
	}
	service.RegisterAsyncAgentServiceServer(a.server, a)
	service.RegisterAgentMetadataServiceServer(a.server, a)
	go func() { _ = a.server.Serve(l) }() // it ends with Close
	return a, nil
}

// Address is where FlytePropeller reaches it.
func (a *Agent) Address() string { return a.address }

// Close ends it at once.
func (a *Agent) Close() { a.server.Stop() }

// Set says what a job comes to from now on. A job without an outcome succeeds.
func (a *Agent) Set(job string, o Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outcomes[job] = o
}

// Created returns the jobs that were started, once for every attempt.
func (a *Agent) Created() []string { return a.list(&a.created) }

// Deleted returns the jobs that were aborted.
func (a *Agent) Deleted() []string { return a.list(&a.deleted) }

// Inputs returns what a job was started with, nil before it was.
func (a *Agent) Inputs(job string) *core.LiteralMap {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inputs[job]
}

func (a *Agent) list(l *[]string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(*l)
}

// CreateTask starts the job that the task's custom names.
func (a *Agent) CreateTask(_ context.Context, r *admin.CreateTaskRequest) (*admin.CreateTaskResponse, error) {
	job := r.GetTemplate().GetCustom().GetFields()["job"].GetStringValue()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.created = append(a.created, job)
	a.inputs[job] = r.GetInputs()
	return &admin.CreateTaskResponse{ResourceMeta: []byte(job)}, nil
}

// GetTask returns the job's outcome.
func (a *Agent) GetTask(_ context.Context, r *admin.GetTaskRequest) (*admin.GetTaskResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, ok := a.outcomes[string(r.GetResourceMeta())]
	if !ok {
		o = Succeeded
	}
	return &admin.GetTaskResponse{Resource: &admin.Resource{Phase: o.Phase, Message: o.Message}}, nil
}

// DeleteTask notes the abort.
func (a *Agent) DeleteTask(_ context.Context, r *admin.DeleteTaskRequest) (*admin.DeleteTaskResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deleted = append(a.deleted, string(r.GetResourceMeta()))
	return &admin.DeleteTaskResponse{}, nil
}

// ListAgents offers the one task type.
func (a *Agent) ListAgents(context.Context, *admin.ListAgentsRequest) (*admin.ListAgentsResponse, error) {
	return &admin.ListAgentsResponse{Agents: []*admin.Agent{{
		Name:                    "jobs",
		SupportedTaskTypes:      []string{TaskType},
		SupportedTaskCategories: []*admin.TaskCategory{{Name: TaskType}},
	}}}, nil
}
