package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flytepropeller/pkg/client/clientset/versioned"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/grpcproxy"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/jobs"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/kubesim"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/ports"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/propeller"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// patience bounds every wait. Nothing takes nearly as long, unless the machine is very busy.
const patience = 60 * time.Second

// channel is where the workspace takes messages.
const channel = "ml-alerts"

// free hands out the addresses of all tests: the one thing that they share.
var free = ports.New()

// world is a Flyte of one test's own, with the agent under test in it.
type world struct {
	t   *testing.T
	ctx context.Context // ends with the test's patience
	dir string

	kube      *versioned.Clientset
	flyte     *flytesim.Server
	slack     *slacksim.Sim
	mail      *sendgridsim.Server
	jobs      *jobs.Agent
	agent     *agentproc.Agent
	propeller *propeller.Propeller
	toAgent   *grpcproxy.Proxy // FlytePropeller's way to the agent
	toAdmin   *grpcproxy.Proxy // the agent's way to flyteadmin; FlytePropeller has its own
	secrets   []string
	outages   atomic.Int32 // how often the agent was cut off
}

// setting changes a world before it is made.
type setting func(*propeller.Config, *agentproc.Config)

// newWorld makes a world in which nothing runs yet but the servers: start agent and propeller.
func newWorld(t *testing.T, settings ...setting) *world {
	t.Helper()
	t.Parallel()
	binary, err := agentproc.Find()
	require.NoError(t, err)
	dir := folder(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, dir: dir}
	w.secrets = []string{"xoxb-e2e-" + filepath.Base(dir), "SG.e2e-" + filepath.Base(dir)}
	w.serve()

	listen := free.Address(t)
	w.toAgent = w.proxy(free.Address(t), listen)
	p := propeller.Config{
		Dir: dir, Kube: w.startKube(), Admin: w.startFlyte(), Agent: w.toAgent.Address(),
		Jobs: w.jobs.Address(),
	}
	a := agentproc.Config{
		Binary: binary, Dir: dir, Listen: listen, HTTP: free.Address(t), Admin: w.toAdmin.Address(),
		Slack: w.slack.URL(), SendGrid: w.mail.URL(), SlackToken: w.secrets[0], SendGridKey: w.secrets[1],
	}
	for _, s := range settings {
		s(&p, &a)
	}
	w.agent, err = agentproc.New(a)
	require.NoError(t, err)
	w.propeller, err = propeller.New(p)
	require.NoError(t, err)
	t.Cleanup(w.close)
	return w
}

// folder is a temporary folder whose name is unlike any other text, so that secrets made of it
// can be searched for. It is kept when the test fails.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "flyte-notifier-e2e-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the test's files are in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	return dir
}

// serve starts the services that notifications go to, and the agent for the jobs under watch.
func (w *world) serve() {
	w.slack = slacksim.New(slacksim.Options{
		Tokens:   map[string][]string{w.secrets[0]: slacksim.AllScopes},
		Channels: []slacksim.Channel{{Name: channel}, {Name: "ops"}},
	})
	w.t.Cleanup(w.slack.Close)
	w.mail = sendgridsim.New(w.secrets[1])
	w.t.Cleanup(w.mail.Close)
	var err error
	w.jobs, err = jobs.Start()
	require.NoError(w.t, err)
	w.t.Cleanup(w.jobs.Close)
}

// startKube starts a Kubernetes API, makes a client for it, and returns its URL.
func (w *world) startKube() string {
	server, err := kubesim.Start()
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, server.Close()) })
	w.kube, err = versioned.NewForConfig(&rest.Config{Host: server.URL()})
	require.NoError(w.t, err)
	return server.URL()
}

// startFlyte starts flyteadmin and the agent's way to it, and returns FlytePropeller's.
func (w *world) startFlyte() string {
	w.flyte = flytesim.New(flytesim.WithOnTerminate(w.terminated))
	address := free.Address(w.t)
	_, stop, err := w.flyte.Start(address)
	require.NoError(w.t, err)
	w.t.Cleanup(stop)
	w.toAdmin = w.proxy(free.Address(w.t), address)
	return address
}

func (w *world) proxy(address, upstream string) *grpcproxy.Proxy {
	p, err := grpcproxy.New(address, upstream)
	require.NoError(w.t, err)
	require.NoError(w.t, p.Start())
	w.t.Cleanup(func() { require.NoError(w.t, p.Close()) })
	return p
}

// close ends the processes and checks what holds for every test: the agent never failed a poll,
// never panicked, and told no secret.
func (w *world) close() {
	require.NoError(w.t, w.propeller.Kill())
	require.NoError(w.t, w.agent.Kill())
	for _, c := range w.toAgent.Faults("GetTask") {
		w.t.Errorf("GetTask answered %v after %s", c.Err, c.Took)
	}
	if w.outages.Load() == 0 {
		assert.Empty(w.t, w.propeller.PollErrors())
	}
	assert.Empty(w.t, w.agent.Log.Lines("panic"))
	w.checkSecrets()
	if w.t.Failed() {
		w.explain()
	}
}

// explain leaves the logs beside the other files, and shows the end of the agent's.
func (w *world) explain() {
	logs := map[string]string{
		"agent.log": w.agent.Log.String(), "propeller.log": w.propeller.Log.String(), "calls.log": w.toAgent.Summary(),
	}
	for name, text := range logs {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			w.t.Log(err)
		}
	}
	w.t.Logf("calls to the agent:\n%sagent:\n%s", w.toAgent.Summary(), tail(logs["agent.log"], 4000))
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// eventually waits until the condition holds, looking often.
func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-over:
			require.FailNow(w.t, fmt.Sprintf("after %s still not: %s", patience, what))
		}
	}
}
