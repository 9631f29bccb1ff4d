// Package demo tells the story of flyte-notifier in one process: a simulated flyteadmin, Slack and
// SendGrid on loopback, the real agent between them, and three executions that end differently.
// Everything goes over real gRPC and HTTP, and through the ordinary config.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// patience is how long one act of the story may take before it counts as failed.
const patience = 20 * time.Second

// act is one execution of the story.
type act struct {
	name  string
	story string
	play  func(sim *flytesim.Server, id flyte.ExecutionID)
	phase string // what must be told
}

const traceback = `Traceback (most recent call last):
  File "/app/churn/train.py", line 41, in fit
    model.fit(frame[FEATURES], frame["churned"])
  File "/usr/lib/python3.12/site-packages/pandas/core/frame.py", line 4108, in __getitem__
    indexer = self.columns._get_indexer_strict(key, "columns")[1]
KeyError: "['tenure_days'] not in index"`

func acts() []act {
	return []act{
		{"f7k2succeeds", "a training run that succeeds", func(sim *flytesim.Server, id flyte.ExecutionID) {
			sim.SetPhase(id, "SUCCEEDED")
		}, "SUCCEEDED"},
		{"f7k3fails", "a training run that fails in its second node", func(sim *flytesim.Server, id flyte.ExecutionID) {
			sim.SetNode(id, "n1", "FAILED", flytesim.Error("USER", "USER:Unknown", traceback))
			sim.SetPhase(id, "FAILED", flytesim.Error("USER", "USER:Unknown", traceback))
		}, "FAILED"},
		{"f7k4aborted", "a training run that somebody stops", func(sim *flytesim.Server, id flyte.ExecutionID) {
			sim.Abort(id, "ada@example.org", "wrong dataset, starting again with 2026-11")
			sim.SetPhase(id, "ABORTED")
		}, "ABORTED"},
	}
}

// world is what the agent is surrounded by.
type world struct {
	admin    *flytesim.Server
	endpoint string
	slack    *slacksim.Sim
	mail     *sendgridsim.Server
	stop     []func()
}

const (
	mailKey = "SG.simulated-0000"
	channel = "ml-alerts"
)

func newWorld() (*world, error) {
	w := &world{admin: flytesim.New()}
	endpoint, stop, err := w.admin.Start("127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the simulated flyteadmin: %w", err)
	}
	w.endpoint = endpoint
	w.slack = slacksim.New(slacksim.Options{Channels: []slacksim.Channel{{Name: channel}}})
	w.mail = sendgridsim.New(mailKey)
	w.stop = []func(){stop, w.slack.Close, w.mail.Close}
	return w, nil
}

func (w *world) close() {
	for _, stop := range w.stop {
		stop()
	}
}

// Run tells the story on out. serve runs the real server with a config file and calls ready once
// its gRPC address answers. The error says which message did not come.
func Run(ctx context.Context, out io.Writer, color bool, serve func(ctx context.Context, config string, ready func(grpc string)) error) error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.close()
	config, cleanup, err := w.config()
	if err != nil {
		return err
	}
	defer cleanup()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, stopped := make(chan string, 1), make(chan error, 1)
	go func() { stopped <- serve(ctx, config, func(addr string) { ready <- addr }) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("start the agent: %w", err)
	case addr := <-ready:
		p := &page{out: out, color: color}
		if err := w.tell(ctx, p, addr); err != nil {
			return err
		}
	}
	cancel()
	return <-stopped
}
