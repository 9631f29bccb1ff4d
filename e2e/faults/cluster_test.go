package faults

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/grpcproxy"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/ports"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

const (
	// patience bounds every wait for what takes no time, unless the machine is very busy.
	patience = 60 * time.Second
	// rescue is how long a killed server's deliveries may stay unsettled.
	rescue = 75 * time.Second
	// loopback is where all is that needs no network of its own.
	loopback = "127.0.0.1"
	// channels is over how many of them a load's messages are spread.
	channels = 20

	slackToken  = "xoxb-e2e-faults"
	sendGridKey = "SG.e2e-faults"
)

// free hands out the addresses of all tests.
var free = ports.New()

// cluster is servers on one store, and what they talk to.
type cluster struct {
	t       *testing.T
	ctx     context.Context // ends with the test's patience
	dir     string
	admin   string // flyteadmin's address
	flyte   *flytesim.Server
	slack   *slacksim.Sim
	mail    *sendgridsim.Server
	mails   bool // loads tell SendGrid, too
	servers []*server
	added   int     // servers ever
	clerk   *server // whose config commands are given
	caller  *caller
	config  agentproc.Config // of every server
}

// server is one of a cluster's.
type server struct {
	*agentproc.Agent
	name    string
	toAdmin *grpcproxy.Proxy // its way to flyteadmin
}

// setting changes the config of every server.
type setting func(*agentproc.Config)

// newCluster makes what servers talk to, and their config. The store is a URL; empty is an SQLite
// file.
func newCluster(t *testing.T, store string, settings ...setting) *cluster {
	t.Helper()
	return newClusterAt(t, loopback, store, settings...)
}

// newClusterAt has Slack and flyteadmin listen at a host that servers elsewhere reach.
func newClusterAt(t *testing.T, host, store string, settings ...setting) *cluster {
	t.Helper()
	binary, err := agentproc.Find()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience+*chaos)
	t.Cleanup(cancel)
	c := &cluster{t: t, ctx: ctx, dir: folder(t), flyte: flytesim.New(), mails: true, caller: newCaller(t)}
	c.slack = slacksim.New(slacksim.Options{
		Addr: net.JoinHostPort(host, "0"), Tokens: map[string][]string{slackToken: slacksim.AllScopes}, PageSize: 1000,
	})
	for i := range channels {
		c.slack.AddChannel(slacksim.Channel{Name: channel(i)})
	}
	t.Cleanup(c.slack.Close)
	c.mail = sendgridsim.New(sendGridKey)
	t.Cleanup(c.mail.Close)
	endpoint, stop, err := c.flyte.Start(net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	t.Cleanup(stop)
	c.admin = endpoint[len("dns:///"):]
	c.config = agentproc.Config{
		Binary: binary, Store: store, Slack: c.slack.URL(), SendGrid: c.mail.URL(), SlackToken: slackToken, SendGridKey: sendGridKey,
		// A sweep would find what polls have lost: there is none before the test is over.
		Interval: 500 * time.Millisecond, Sweep: time.Hour,
		Rate: agentproc.Rate{PerSecond: 1000, Burst: 1000},
	}
	for _, s := range settings {
		s(&c.config)
	}
	t.Cleanup(c.close)
	return c
}

// channel is where the i-th execution's messages go.
func channel(i int) string { return fmt.Sprintf("alerts-%d", i%channels) }

// folder is kept when the test fails.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "flyte-notifier-faults-")
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

// start adds n servers and returns once they serve.
func (c *cluster) start(n int) {
	c.t.Helper()
	var begun []*server
	for range n {
		begun = append(begun, c.add(loopback, func(*agentproc.Config) {}))
	}
	for _, s := range begun {
		c.serve(s)
	}
}

// add makes a server that listens at a host and does not run yet.
func (c *cluster) add(host string, s setting) *server {
	c.t.Helper()
	name := fmt.Sprintf("server-%d", c.added)
	c.added++
	config := c.config
	config.Dir = filepath.Join(c.dir, name)
	adminHost, _, err := net.SplitHostPort(c.admin)
	require.NoError(c.t, err)
	toAdmin := c.proxy(at(adminHost, free.Address(c.t)))
	config.Listen, config.HTTP, config.Admin = at(host, free.Address(c.t)), at(host, free.Address(c.t)), toAdmin.Address()
	s(&config)
	agent, err := agentproc.New(config)
	require.NoError(c.t, err)
	added := &server{Agent: agent, name: name, toAdmin: toAdmin}
	c.servers = append(c.servers, added)
	if c.clerk == nil {
		c.clerk = added
	}
	c.caller.add(agent.Listen())
	return added
}

// at is the address with another host. One that is free on loopback stays as it is.
func at(host, address string) string {
	if host == loopback {
		return address
	}
	_, port, _ := net.SplitHostPort(address)
	return net.JoinHostPort(host, port)
}

func (c *cluster) proxy(address string) *grpcproxy.Proxy {
	p, err := grpcproxy.New(address, c.admin)
	require.NoError(c.t, err)
	require.NoError(c.t, p.Start())
	c.t.Cleanup(func() { require.NoError(c.t, p.Close()) })
	return p
}

// serve starts a process of the server and returns once it serves.
func (c *cluster) serve(s *server) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	require.NoError(c.t, s.Start(ctx), s.name)
}

// stop stops a server as Kubernetes does.
func (c *cluster) stop(s *server) {
	c.t.Helper()
	code, err := s.Stop(20 * time.Second)
	require.NoError(c.t, err, s.name)
	require.Zero(c.t, code, s.name)
}

func (c *cluster) stopAll() {
	c.t.Helper()
	for _, s := range c.servers {
		c.stop(s)
	}
}

// close ends the processes, and checks what holds for every test.
func (c *cluster) close() {
	for _, s := range c.servers {
		assert.NoError(c.t, s.Kill())
		assert.Empty(c.t, s.Log.Lines("panic"), s.name)
		for _, secret := range []string{slackToken, sendGridKey} {
			assert.NotContains(c.t, s.Log.String(), secret, s.name)
		}
	}
	if c.t.Failed() {
		c.explain()
	}
}

// explain leaves the logs beside the other files, and shows their ends.
func (c *cluster) explain() {
	for _, s := range c.servers {
		text := s.Log.String()
		if err := os.WriteFile(filepath.Join(c.dir, s.name+".log"), []byte(text), 0o600); err != nil {
			c.t.Log(err)
		}
		c.t.Logf("%s:\n%s", s.name, text[max(0, len(text)-2000):])
	}
}

// eventually waits until the condition holds, looking often, and returns how long it took.
func (c *cluster) eventually(within time.Duration, what string, condition func() bool) time.Duration {
	c.t.Helper()
	took, ok := c.wait(within, condition)
	if !ok {
		require.FailNow(c.t, fmt.Sprintf("after %s still not: %s", took, what))
	}
	return took
}

// wait returns how long it took for the condition to hold, and whether it does.
func (c *cluster) wait(within time.Duration, condition func() bool) (took time.Duration, ok bool) {
	begun := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Since(begun) > within || c.ctx.Err() != nil {
			return time.Since(begun), false
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
		}
	}
	return time.Since(begun), true
}
