package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// tell plays every act against the agent at addr.
func (w *world) tell(ctx context.Context, p *page, addr string) error {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to the agent: %w", err)
	}
	defer conn.Close()
	agent := service.NewAsyncAgentServiceClient(conn)
	p.title("flyte-notifier: a flyteadmin, a Slack and a SendGrid, all simulated on this machine, and the real agent")
	for i, a := range acts() {
		if err := w.play(ctx, p, agent, i, a); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	p.title(fmt.Sprintf("done: %d executions, %d Slack messages, %d mails, nothing twice", len(acts()), len(w.slack.Messages("")), len(w.mail.Mails())))
	return nil
}

func (w *world) play(ctx context.Context, p *page, agent service.AsyncAgentServiceClient, i int, a act) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "churn", Domain: "production"}, Name: a.name}
	p.scene(i+1, a.story)
	w.admin.Create(flytesim.Execution{
		ID: id, Workflow: "churn.train", WorkflowVersion: "v2026.11.3", LaunchPlan: "churn.nightly",
		User: "grace@example.org", Labels: map[string]string{"team": "ml"}, CreatedAt: time.Now().Add(-25 * time.Minute),
	})
	w.admin.SetPhase(id, "RUNNING", flytesim.At(time.Now().Add(-24*time.Minute)))
	p.step("flyteadmin", "execution "+id.String()+" is RUNNING")
	if err := register(ctx, p, agent, id); err != nil {
		return err
	}
	a.play(w.admin, id)
	p.step("flyteadmin", "it is "+a.phase)
	messages, err := w.slack.Await(ctx, channel, i+1)
	if err != nil {
		return fmt.Errorf("wait for Slack: %w", err)
	}
	mails, err := w.mail.WaitMails(ctx, i+1)
	if err != nil {
		return fmt.Errorf("wait for the mail: %w", err)
	}
	p.box("Slack  #"+channel, slacksim.Render(messages[i]))
	p.box("E-mail  to "+mails[i].To[0]+", subject: "+mails[i].Subject, mails[i].Text)
	return nil
}

// register does as FlytePropeller does with a notification task: create, then ask.
func register(ctx context.Context, p *page, agent service.AsyncAgentServiceClient, id flyte.ExecutionID) error {
	custom, err := structpb.NewStruct(spec())
	if err != nil {
		return fmt.Errorf("make the task: %w", err)
	}
	created, err := agent.CreateTask(ctx, &admin.CreateTaskRequest{
		Template:              &core.TaskTemplate{Type: "notification", Custom: custom},
		OutputPrefix:          "s3://flyte/metadata/" + id.Name + "/n0/data/0",
		TaskExecutionMetadata: &admin.TaskExecutionMetadata{TaskExecutionId: taskID(id)},
	})
	if err != nil {
		return fmt.Errorf("create the task: %w", err)
	}
	got, err := agent.GetTask(ctx, &admin.GetTaskRequest{
		TaskCategory: &admin.TaskCategory{Name: "notification"}, ResourceMeta: created.GetResourceMeta(),
	})
	if err != nil {
		return fmt.Errorf("get the task: %w", err)
	}
	if phase := got.GetResource().GetPhase(); phase != core.TaskExecution_SUCCEEDED {
		return fmt.Errorf("the task is %s: %s", phase, got.GetResource().GetMessage())
	}
	p.step("propeller", "its notification task is accepted and done; the watch lives on in the agent")
	return nil
}

// spec is the task as a workflow's author declares it.
func spec() map[string]any {
	return map[string]any{
		"rules": []any{map[string]any{
			"when": map[string]any{"phase": []any{"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}},
			"send": []any{
				map[string]any{"slack": map[string]any{"channel": "#" + channel}},
				map[string]any{"sendgrid": map[string]any{"to": []any{"ml@example.org"}}},
			},
		}},
	}
}

func taskID(id flyte.ExecutionID) *core.TaskExecutionIdentifier {
	return &core.TaskExecutionIdentifier{
		TaskId: &core.Identifier{ResourceType: core.ResourceType_TASK, Project: id.Project, Domain: id.Domain, Name: "alerts"},
		NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: "n0", ExecutionId: &core.WorkflowExecutionIdentifier{
			Project: id.Project, Domain: id.Domain, Name: id.Name,
		}},
	}
}
