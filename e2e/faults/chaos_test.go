package faults

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pagerdutysim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
)

const (
	// attempt is the servers' delivery.timeout.
	attempt = 1500 * time.Millisecond
	// tasksPerSecond is how fast a chaos run makes tasks.
	tasksPerSecond = 8
	// drain bounds what a run may take once its last task is made: back-off doubles, and a few are unlucky often.
	drain = 10 * time.Minute

	mailUser      = "flyte"
	mailPassword  = "smtp-e2e-chaos"
	routingKey    = "0123456789abcdef0123456789abcdef"
	telegramToken = "123456789:AAe2e-chaos"
	signingKey    = "whsec-e2e-chaos-24-bytes"
	hookPath      = "/services/T000/B000/e2e-chaos"
)

// Services fail at random in every way that notifiers are tested against, and servers are killed all the time, most
// times when a service has just taken a message and not answered yet. Nothing is lost; nothing comes twice where the
// service can be asked or tells copies by their key, and elsewhere only what is recorded as possibly double.
//
// `go test ./faults -run TestChaos -v -timeout 30m -chaos.deliveries 10000 -chaos.kills 20` is the whole run, with the
// figures of docs/guarantees.md.
func TestChaos(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { newChaos(t, "", 1).run() })
	t.Run("Postgres", func(t *testing.T) { newChaos(t, pgtest.Database(t), 2).run() })
}

// chaosRun is one store's.
type chaosRun struct {
	*cluster
	weather  *weather
	services []*fake
	mailed   *mailServer
	secrets  []string
	tasks    int
	ambushed int // kills at the moment when a service had taken a message
}

func newChaos(t *testing.T, store string, servers int) *chaosRun {
	t.Helper()
	r := &chaosRun{weather: newWeather(*chaosSeed)}
	r.cluster = newCluster(t, store)
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeout(t.Context(), 20*time.Minute)
	t.Cleanup(cancel)
	r.open()
	r.tasks = (*chaosDeliveries + len(r.sends(0)) - 1) / len(r.sends(0))
	r.start(servers)
	return r
}

// open starts the services, and makes the config that leads to them.
func (r *chaosRun) open() {
	pager := &fake{kind: "pagerduty", claims: true, inner: pagerdutysim.New(routingKey), tell: incident}
	r.services = []*fake{
		{kind: "slack", claims: true, inner: r.slack, reads: slackReads, tell: slackKey},
		{kind: "sendgrid", claims: true, inner: r.cluster.mail},
		pager,
		{kind: "webhook", inner: http.HandlerFunc(signed), tell: webhookID},
		{kind: "slack_webhook", claims: true, inner: says(http.StatusOK, "ok")},
		{kind: "teams", inner: says(http.StatusAccepted, "")},
		{kind: "telegram", claims: true, inner: says(http.StatusOK, `{"ok":true,"result":{"message_id":7,"chat":{"id":-1001234567890}}}`)},
	}
	urls := map[string]string{}
	for _, s := range r.services {
		urls[s.kind] = s.serve(r.t, r.weather).url
	}
	r.mailed = newMailServer(r.t, r.weather)
	r.config.Slack, r.config.SendGrid = urls["slack"]+"/api/", urls["sendgrid"]
	r.config.DeliveryTimeout = attempt
	r.config.Connections = r.connection("mails", fmt.Sprintf("smtp: {host: 127.0.0.1, port: %d, ca: %q, username: %s, password: %s, from: flyte@example.org}",
		r.mailed.Port(), r.file("ca.pem", string(r.mailed.CA())), mailUser, r.secret("mail", mailPassword))) +
		r.connection("pager", fmt.Sprintf("pagerduty: {routing_key: %s, api_url: %q}", r.secret("pager", routingKey), urls["pagerduty"])) +
		r.connection("hook", fmt.Sprintf("webhook: {url: %s, signing_secret: %s, allow_private: true}", r.secret("hook", urls["webhook"]+"/hook"),
			r.secret("key", "whsec_"+base64.StdEncoding.EncodeToString([]byte(signingKey))))) +
		r.connection("incoming", fmt.Sprintf("slack_webhook: {url: %s}", r.secret("incoming", urls["slack_webhook"]+hookPath))) +
		r.connection("team", fmt.Sprintf("teams: {url: %s}", r.secret("team", urls["teams"]+"/workflow?sig=e2e-chaos-signature"))) +
		r.connection("bot", fmt.Sprintf("telegram: {token: %s, api_url: %q}", r.secret("bot", telegramToken), urls["telegram"]))
}

// says is a service that takes all there is, and says so.
func says(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text)) // to a recorder
	})
}

func (r *chaosRun) connection(name, what string) string {
	return fmt.Sprintf("  %s:\n    %s\n    rate: {per_second: 1000, burst: 1000}\n", name, what)
}

func (r *chaosRun) file(name, content string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	require.NoError(r.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// secret is a reference to one that the servers' logs must not show.
func (r *chaosRun) secret(name, value string) string {
	r.t.Helper()
	r.secrets = append(r.secrets, value)
	return fmt.Sprintf("{file: %q}", r.file(name, value))
}

// run makes the tasks while servers are killed, waits until all is settled, and judges.
func (r *chaosRun) run() {
	r.t.Helper()
	begun := time.Now()
	made := r.make()
	for i := range *chaosKills {
		made.await(r, (i+1)*r.tasks/(*chaosKills+1))
		r.kill(i)
	}
	made.await(r, r.tasks)
	made.work.Wait()
	require.Empty(r.t, made.errs)
	rows := r.drained(r.tasks * len(r.sends(0)))
	r.stopAll()
	r.judge(rows, time.Since(begun))
	for _, s := range r.servers {
		for _, secret := range r.secrets {
			require.NotContains(r.t, s.Log.String(), secret)
		}
	}
}

// made are the tasks so far.
type made struct {
	work sync.WaitGroup
	mu   sync.Mutex
	n    int
	errs []error
}

// make makes the tasks, each of an execution that has ended.
func (r *chaosRun) make() *made {
	m := &made{}
	ctx, halt := context.WithCancel(r.ctx)
	each(ctx, &m.work, tasksPerSecond, func(i int) {
		if i >= r.tasks {
			halt()
			return
		}
		id := flyte.ExecutionID{
			Scope: flyte.Scope{Project: fmt.Sprintf("p%d", i%scopes), Domain: "production"}, Name: fmt.Sprintf("run%06d", i),
		}
		r.flyte.Create(flytesim.Execution{ID: id, Workflow: "train", WorkflowVersion: "v1", User: "alice"})
		r.flyte.SetPhase(id, "FAILED")
		_, err := r.caller.create(r.ctx, id, object{"rules": list{object{
			"when": object{"phase": list{"FAILED"}}, "send": r.sends(i), "message": object{"title": "[{{.Name}}] {{.Phase}}"},
		}}})
		m.mu.Lock()
		defer m.mu.Unlock()
		m.n++
		if err != nil {
			m.errs = append(m.errs, err)
		}
	})
	return m
}

// sends are all services; Slack has two messages, of which the second waits for the first and replies to it.
func (r *chaosRun) sends(i int) list {
	to := list{fmt.Sprintf("team-%d@example.org", i%channels)}
	return list{
		object{"slack": object{"channel": "#" + channel(i)}},
		object{"slack": object{"channel": "#" + channel(i)}},
		object{"sendgrid": object{"to": to}},
		object{"smtp": object{"connection": "mails", "to": to}},
		object{"pagerduty": object{"connection": "pager"}},
		object{"webhook": object{"connection": "hook"}},
		object{"slack_webhook": object{"connection": "incoming"}},
		object{"teams": object{"connection": "team"}},
		object{"telegram": object{"connection": "bot", "chat_id": fmt.Sprintf("@team_%d", i%channels)}},
	}
}

// await returns when n tasks are made.
func (m *made) await(r *chaosRun, n int) {
	r.t.Helper()
	r.eventually(drain, fmt.Sprintf("%d tasks are made", n), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.n >= n
	})
}

// kill kills a server and starts it again: each fourth time whatever it does, else when the next service has just
// taken a message and not answered yet.
func (r *chaosRun) kill(i int) {
	r.t.Helper()
	if i%4 != 3 && r.lieInWait(r.ambushes()[i%(len(r.services)+1)]) {
		r.ambushed++
	}
	s := r.servers[i%len(r.servers)]
	require.NoError(r.t, s.Kill())
	r.serve(s)
}

func (r *chaosRun) ambushes() []chan struct{} {
	all := []chan struct{}{r.mailed.ambush}
	for _, s := range r.services {
		all = append(all, s.ambush)
	}
	return all
}

// lieInWait says whether the service has taken a message in time.
func (r *chaosRun) lieInWait(ambush chan struct{}) bool {
	select {
	case <-ambush:
		return true
	case <-time.After(10 * time.Second):
	case <-r.ctx.Done():
	}
	return false
}

// signed takes what is signed as Standard Webhooks has it.
func signed(w http.ResponseWriter, r *http.Request) {
	if err := checkSignature(r); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	_, _ = w.Write([]byte("{}")) // to a recorder
}
