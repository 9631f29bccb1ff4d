package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/flyte-notifier/flyte-notifier/flyte"
)

// callTimeout is FlytePropeller's default for a call to an agent.
const callTimeout = 3 * time.Second

// object is JSON, as a task's custom is written.
type object = map[string]any

// list is a JSON list.
type list = []any

// caller calls servers in turn, as FlytePropeller does through their Service.
type caller struct {
	t    testing.TB
	turn atomic.Int64

	mu    sync.Mutex
	conns []*grpc.ClientConn
	fails int
}

func newCaller(t testing.TB) *caller { return &caller{t: t} }

// add gives the caller one more server.
func (c *caller) add(address string) {
	c.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
}

func (c *caller) next() *grpc.ClientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns[int(c.turn.Add(1))%len(c.conns)]
}

// create makes the notification task of an execution. A call that fails is repeated as the task's
// next attempt, by another server, until one is answered or ctx ends.
func (c *caller) create(ctx context.Context, id flyte.ExecutionID, custom object) (meta []byte, err error) {
	for attempt := uint32(0); ; attempt++ {
		r, err := request(id, attempt, custom)
		if err != nil {
			return nil, err
		}
		call, cancel := context.WithTimeout(ctx, callTimeout)
		answer, err := service.NewAsyncAgentServiceClient(c.next()).CreateTask(call, r)
		cancel()
		if err == nil {
			return answer.GetResourceMeta(), nil
		}
		c.mu.Lock()
		c.fails++
		c.mu.Unlock()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("create the task of %s: %w", id.Name, errors.Join(err, ctx.Err()))
		}
	}
}

// failed is how many calls failed.
func (c *caller) failed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fails
}

// request is a CreateTask as FlytePropeller makes it.
func request(id flyte.ExecutionID, attempt uint32, custom object) (*admin.CreateTaskRequest, error) {
	spec, err := structpb.NewStruct(custom)
	if err != nil {
		return nil, fmt.Errorf("make a spec: %w", err)
	}
	task := &core.Identifier{
		ResourceType: core.ResourceType_TASK, Project: id.Project, Domain: id.Domain, Name: "train.notify", Version: "v1",
	}
	return &admin.CreateTaskRequest{
		Template:     &core.TaskTemplate{Id: task, Type: "notification", Custom: spec, Interface: &core.TypedInterface{}},
		OutputPrefix: fmt.Sprintf("s3://flyte/metadata/%s-%s-%s/n0/data/%d", id.Project, id.Domain, id.Name, attempt),
		TaskExecutionMetadata: &admin.TaskExecutionMetadata{TaskExecutionId: &core.TaskExecutionIdentifier{
			TaskId: task, RetryAttempt: attempt,
			NodeExecutionId: &core.NodeExecutionIdentifier{NodeId: "n0", ExecutionId: &core.WorkflowExecutionIdentifier{
				Project: id.Project, Domain: id.Domain, Name: id.Name,
			}},
		}},
	}, nil
}

// told is the spec of a task that tells a channel, and with mail SendGrid too, how its execution ends.
func told(channel string, mail bool) object {
	send := list{object{"slack": object{"channel": "#" + channel}}}
	if mail {
		send = append(send, object{"sendgrid": object{"to": list{"ml@example.org"}}})
	}
	return object{"rules": list{object{
		"when": object{"phase": list{"SUCCEEDED", "FAILED"}}, "send": send,
		"message": object{"title": "[{{.Name}}] {{.Phase}}"},
	}}}
}
