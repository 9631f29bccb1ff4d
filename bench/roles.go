package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// The roles that this program plays in processes of its own.
const (
	roleLimit = "role-limit"
	roleLoner = "role-loner"
)

func roles() map[string]func(args []string) error {
	return map[string]func([]string) error{roleLimit: serveLimit, roleLoner: watchAlone, roleAgent: serveProfiled}
}

// limit is the server that does nothing: what gRPC and the messages themselves cost.
type limit struct {
	service.UnimplementedAsyncAgentServiceServer
	meta []byte
}

func (l limit) CreateTask(context.Context, *admin.CreateTaskRequest) (*admin.CreateTaskResponse, error) {
	return &admin.CreateTaskResponse{ResourceMeta: l.meta}, nil
}

func (limit) GetTask(context.Context, *admin.GetTaskRequest) (*admin.GetTaskResponse, error) {
	return &admin.GetTaskResponse{Resource: &admin.Resource{Phase: core.TaskExecution_RUNNING, Message: "watching nothing"}}, nil
}

// serveLimit serves the limit on an address.
func serveLimit(args []string) error {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return fmt.Errorf("serve nothing: %w", err)
	}
	srv := grpc.NewServer()
	service.RegisterAsyncAgentServiceServer(srv, limit{meta: []byte(`{"v":1,"watch":"w0123456789abcdef0123","kind":"follow"}`)})
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	return srv.Serve(l)
}

// watchAlone is what one writes without this agent: it asks for every execution by itself, each 5
// seconds, 16 calls at a time. Arguments: flyteadmin's address, and how many executions.
func watchAlone(args []string) error {
	const every, readers = 5 * time.Second, 16
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("watch alone: %w", err)
	}
	conn, err := grpc.NewClient(args[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("watch alone: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	flyteadmin, phases := service.NewAdminServiceClient(conn), make([]core.WorkflowExecution_Phase, n)
	var next atomic.Int64
	begin := time.Now()
	for range readers {
		go func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				// Evenly spread, as if each execution had a loop of its own.
				sleep(ctx, time.Until(begin.Add(time.Duration(float64(i)/float64(n)*float64(every)))))
				x, err := flyteadmin.GetExecution(ctx, &admin.WorkflowExecutionGetRequest{Id: identifier(int(i) % n)})
				if err != nil && ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, err)
				}
				phases[int(i)%n] = x.GetClosure().GetPhase()
			}
		}()
	}
	<-ctx.Done()
	return nil
}
