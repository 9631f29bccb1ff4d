package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// configFile is an ordinary config, but for the rates: the fake takes whatever comes.
const configFile = `server: {listen: "LISTEN", http: "HTTP"}
admin: {endpoint: "ADMIN", insecure: true}
flyte: {console_url: "https://flyte.example.org/console"}
store: {url: "STORE"}
watch: {interval: 2s}
connections:
  team-slack: {slack: {token: {file: "TOKEN"}, api_url: "SLACK"}, rate: {per_second: 0}}
MOREdefaults: {slack: team-slack}
`

// agent is a running flyte-notifier and FlytePropeller's connection to it.
type agent struct {
	*process
	http  string
	conn  *grpc.ClientConn
	tasks service.AsyncAgentServiceClient
}

// configure writes the config of an agent and returns its path.
func (b *bench) configure(name, store string, w *world) (path, listen, http string, err error) {
	if listen, http, err = freeAddresses(); err != nil {
		return "", "", "", err
	}
	token, admin, slack, more := filepath.Join(b.dir, "token"), "dns:///127.0.0.1:1", "http://127.0.0.1:1/api/", ""
	if w != nil {
		admin, slack, more = w.endpoint, w.slack.url, w.connections
	}
	text := strings.NewReplacer("LISTEN", listen, "HTTP", http, "ADMIN", admin, "STORE", store, "TOKEN", token, "SLACK", slack, "MORE", more).Replace(configFile)
	path = filepath.Join(b.dir, name+".yaml")
	for file, content := range map[string]string{token: "xoxb-bench", path: text} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return "", "", "", fmt.Errorf("write the agent's config: %w", err)
		}
	}
	return path, listen, http, nil
}

// startAgent starts the built binary on a store, and returns once it takes tasks.
func (b *bench) startAgent(ctx context.Context, name, store string, w *world) (*agent, error) {
	config, listen, http, err := b.configure(name, store, w)
	if err != nil {
		return nil, err
	}
	program, args := b.binary, []string{"serve", "--config", config}
	if b.profile != "" {
		program, args = os.Args[0], []string{roleAgent, config, filepath.Join(b.profile, name)}
	}
	p, err := start(filepath.Join(b.dir, name+".log"), program, args...)
	if err != nil {
		return nil, err
	}
	a := &agent{process: p, http: http}
	if a.conn, err = dial(ctx, p, listen); err != nil {
		p.stop()
		return nil, err
	}
	a.tasks = service.NewAsyncAgentServiceClient(a.conn)
	return a, nil
}

// stop ends the agent and the connection.
func (a *agent) stop() {
	_ = a.conn.Close() // nothing is under way
	a.process.stop()
}

// dial connects to a process once its grpc health is SERVING, as Kubernetes waits for it.
func dial(ctx context.Context, p *process, address string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	health := grpc_health_v1.NewHealthClient(conn)
	err = p.await(ctx, func(ctx context.Context) error {
		answer, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err == nil && answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			err = fmt.Errorf("health is %s", answer.GetStatus())
		}
		conn.ResetConnectBackoff()
		return err
	})
	if err != nil {
		_ = conn.Close() // the error says more
		return nil, err
	}
	return conn, nil
}
