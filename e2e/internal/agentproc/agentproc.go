// Package agentproc runs the built agent binary as its users do: a config file, secrets in the
// environment, signals.
package agentproc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/proc"
)

// binaryVariable names the binary under test.
const binaryVariable = "FLYTE_NOTIFIER_BIN"

// built is where `make e2e` builds it, seen from the repository's root.
const built = "bin/flyte-notifier"

// Config is what a test decides about its agent. Addresses are host:port.
type Config struct {
	Binary   string // see Find
	Dir      string // for its files: config, store
	Listen   string
	HTTP     string
	Admin    string
	Slack    string // URL of its Web API
	SendGrid string // URL
	// Secrets are the values behind the config's references.
	SlackToken, SendGridKey string
	DeliveryTimeout         time.Duration // default 5 s
	Store                   string        // its URL; default an SQLite file in Dir
	Interval                time.Duration // between polls; default 200 ms
	Sweep                   time.Duration // default 3 s
	Rate                    Rate          // of each connection; default the services' own
	Connections             string        // more of them, as the config's key has them, each line indented by two
	Subscriptions           string        // the config's key of that name, as YAML or JSON; default: none
	// Command, if set, replaces how the binary is started: to start it in a namespace, say.
	Command func(binary string, args ...string) *exec.Cmd
}

// Agent is one agent with its store, over any number of processes. Log holds what they printed,
// Answers what commands and HTTP endpoints did.
type Agent struct {
	config       Config
	path         string
	process      *proc.Process
	Log, Answers *proc.Log
}

// Find returns the absolute path of the binary under test, for tests in the module's root or in a
// folder of it.
func Find() (string, error) {
	path := os.Getenv(binaryVariable)
	for _, root := range []string{"..", "../.."} {
		candidate := filepath.Join(root, built)
		if _, err := os.Stat(candidate); path == "" && err == nil {
			path = candidate
		}
	}
	path, err := filepath.Abs(cmp.Or(path, built))
	if err != nil {
		return "", fmt.Errorf("find the agent's binary: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find the agent's binary (build it with `go build -o bin/flyte-notifier ./cmd/agent`, or set %s): %w", binaryVariable, err)
	}
	return path, nil
}

// New writes the config of an agent that is not yet running.
func New(c Config) (*Agent, error) {
	if err := os.MkdirAll(c.storeDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make the store's folder: %w", err)
	}
	path := filepath.Join(c.Dir, "agent.yaml")
	if err := os.WriteFile(path, []byte(c.yaml()), 0o600); err != nil {
		return nil, fmt.Errorf("write the agent's config: %w", err)
	}
	return &Agent{config: c, path: path, Log: &proc.Log{}, Answers: &proc.Log{}}, nil
}

// Start starts a process and returns once it serves. The one before must have ended.
func (a *Agent) Start(ctx context.Context) error {
	cmd := a.command("serve")
	var err error
	if a.process, err = proc.Start(cmd, a.Log); err != nil {
		return err
	}
	return a.Serving(ctx)
}

// Begin starts one of the binary's commands on the agent's config, and does not wait for its end.
func (a *Agent) Begin(command string, args ...string) (*proc.Process, error) {
	return proc.Start(a.command(command, args...), a.Answers)
}

func (a *Agent) command(command string, args ...string) *exec.Cmd {
	args = append([]string{command, "--config", a.path}, args...)
	start := exec.Command
	if a.config.Command != nil && command == "serve" {
		start = a.config.Command
	}
	cmd := start(a.config.Binary, args...)
	cmd.Dir = a.config.Dir
	cmd.Env = append(os.Environ(),
		slackVariable+"="+a.config.SlackToken, sendGridVariable+"="+a.config.SendGridKey, "NO_PROXY=127.0.0.1")
	return cmd
}

// Serving waits until the agent's grpc health is SERVING. It is an error when the process ends, or
// the context, before.
func (a *Agent) Serving(ctx context.Context) error {
	conn, err := grpc.NewClient("passthrough:///"+a.config.Listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("dial the agent: %w", err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-a.process.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return nil
		}
		select {
		case <-tick.C:
			conn.ResetConnectBackoff()
		case <-ctx.Done():
			return fmt.Errorf("wait for the agent to serve: %w\n%s", errors.Join(err, ctx.Err()), a.Log)
		}
	}
}

// Kill ends the process as kill -9 does. A process that is not there is no error.
func (a *Agent) Kill() error {
	if a.process == nil {
		return nil
	}
	return a.process.Kill()
}

// Stop asks the process to end, as Kubernetes does, and returns its exit code.
func (a *Agent) Stop(patience time.Duration) (int, error) { return a.process.Stop(patience) }

// Terminate asks the process to end, as Kubernetes does, and does not wait.
func (a *Agent) Terminate() error { return a.process.Terminate() }

// Freeze stops the process where it stands, until Thaw.
func (a *Agent) Freeze() error { return a.process.Freeze() }

// Thaw lets a frozen process go on.
func (a *Agent) Thaw() error { return a.process.Thaw() }

// Upgrade makes the next process one of another binary.
func (a *Agent) Upgrade(binary string) { a.config.Binary = binary }

// StorePath is the file of the agent's own SQLite store.
func (a *Agent) StorePath() string { return a.config.storePath() }

// Listen is where the agent's gRPC API is.
func (a *Agent) Listen() string { return a.config.Listen }

// PID is the process id.
func (a *Agent) PID() int { return a.process.PID() }

// Ended is closed when the process has ended.
func (a *Agent) Ended() <-chan struct{} { return a.process.Done() }

// Get asks one of the HTTP endpoints ("/readyz") and returns the status code.
func (a *Agent) Get(ctx context.Context, path string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.config.HTTP+path, nil)
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", path, err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", path, err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(a.Answers, answer.Body); err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return answer.StatusCode, nil
}
