package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/strict"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

var running = flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "r1"}

// watched registers a watch of an execution that has been running for an hour.
func (w *world) watched(task string) {
	w.flyte.Create(flytesim.Execution{ID: running, Workflow: "flows.train", LaunchPlan: "nightly", User: "ada", Labels: map[string]string{"team": "ml"}})
	w.flyte.SetPhase(running, "RUNNING", flytesim.At(time.Now().Add(-time.Hour)))
	tree, err := strict.YAML([]byte(task))
	require.NoError(w.t, err)
	parsed, problems := spec.ParseTask(tree, spec.Env{Registry: builtin.Registry(io.Discard)})
	require.Empty(w.t, problems)
	custom, err := json.Marshal(parsed)
	require.NoError(w.t, err)
	db, err := sqlite.Open(w.t.Context(), filepath.Join(w.dir, "notifier.db"))
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	_, err = db.Register(w.t.Context(), store.Watch{
		ID: "w1", Kind: store.Follow, State: store.Active, Execution: running, Own: running, CreatedAt: time.Now().UTC(),
		Custom: custom, Inputs: json.RawMessage(`{"rows": 12}`),
	})
	require.NoError(w.t, err)
}

const watchedTask = `
rules:
  - {name: long, when: {running_for: 30m}, send: [{stdout: {}}], repeat: {every: 1h, max: 5}}
  - {name: longer, when: {running_for: 3h}, if: 'labels["team"] == "ml" && inputs.rows > 100', send: [{stdout: {}}]}
  - {name: failed, when: {phase: [FAILED]}, send: [{stdout: {}}]}
`

func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watched(watchedTask)
	stdout, _, _ := w.serve()
	stdout.await(t, "has been running for 30m")
	got := w.on("explain", "long", "--execution", "ml/production/r1")
	require.Equal(t, 0, got.code, got.stderr)
	for _, part := range []string{
		"rule long for ml/production/r1\n", "  phase    RUNNING, workflow flows.train, started 20", "  watch    w1, active\n",
		"  verdict  told: the next reminder or escalation is at 20", "  when     running_for: 30m0s\n", "runs for 1h0m",
		"  told     running_for:30m0s at 20", "0 of 5 reminders, the next in ", "not acknowledged", "  stdout\n",
	} {
		require.Contains(t, got.stdout, part)
	}

	got = w.on("explain", "longer", "--execution", "ml/production/r1", "--json")
	require.Equal(t, 0, got.code, got.stderr)
	line := lines(t, got.stdout)[0]
	require.Equal(t, "waits", line["verdict"])
	require.Equal(t, "RUNNING", line["phase"])
	at, err := time.Parse(time.RFC3339, line["fires_at"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), at, time.Minute)
	require.Equal(t, map[string]any{
		"text": `labels["team"] == "ml" && inputs.rows > 100`, "holds": false,
		"values": map[string]any{`labels["team"]`: "ml", "inputs.rows": 12.0},
	}, line["if"])
	require.Empty(t, line["told"])

	for name, tc := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"unknown rule":      {[]string{"longr", "--execution", "ml/production/r1"}, 1, `unknown rule "longr", did you mean "long"?; there are: failed, long, longer`},
		"unknown watch":     {[]string{"long", "--execution", "ml/production/r1", "--watch", "w9"}, 1, `execution ml/production/r1 has no watch "w9"`},
		"unwatched":         {[]string{"long", "--execution", "ml/production/x"}, 1, "execution ml/production/x has no watches"},
		"no execution":      {[]string{"long"}, 2, `required flag(s) "execution" not set`},
		"half an execution": {[]string{"long", "--execution", "ml/x"}, 2, "--execution: must be PROJECT/DOMAIN/NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.on("explain", tc.args...)
			require.Equal(t, tc.code, got.code)
			require.Contains(t, got.stderr, tc.stderr)
		})
	}
}

func TestAck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watched(watchedTask)
	stdout, _, stop := w.serve()
	stdout.await(t, "has been running for 30m")
	require.Equal(t, 0, stop())
	got := w.on("ack", "ml/production/r1", "--by", "ada")
	require.Equal(t, 0, got.code, got.stderr)
	require.Equal(t, "acknowledged ml/production/r1: no more reminders of 1 occurrence\n", got.stdout)
	got = w.on("explain", "long", "--execution", "ml/production/r1", "--watch", "w1")
	require.Contains(t, got.stdout, "0 of 5 reminders, no more to come\n             acknowledged at ")
	require.Contains(t, got.stdout, " by ada")
	for want, name := range map[string]string{
		"nothing to acknowledge: no reminder of ml/production/r1 is to come":               "ml/production/r1",
		"nothing is known of execution ml/production/gone: no watch of it is in the store": "ml/production/gone",
	} {
		got := w.on("ack", name)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, want)
	}
	require.Equal(t, 2, w.on("ack", "r1").code)
}

// What was told by a rule that reminds of nothing is known by its deliveries.
func TestExplainWhatIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watched("rules: [{name: failed, when: {phase: [FAILED]}, send: [{stdout: {}}]}, {name: aborted, when: {phase: [ABORTED]}, send: [{stdout: {}}]}]")
	w.flyte.SetPhase(running, "FAILED", flytesim.Error("USER", "E1", "boom"))
	stdout, _, stop := w.serve()
	stdout.await(t, "boom")
	require.Equal(t, 0, stop())
	got := w.on("explain", "failed", "--execution", "ml/production/r1")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "  verdict  told: nothing more is to be told now\n")
	require.Contains(t, got.stdout, "  watch    w1, ended\n")
	require.Regexp(t, `delivered +20\S+Z d[0-9a-f]+ +stdout`, got.stdout)
	got = w.on("explain", "aborted", "--execution", "ml/production/r1")
	require.Contains(t, got.stdout, "does not fire any more")
	require.Contains(t, got.stdout, "  told     nothing yet\n")
}

func TestExplainASubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.failedTrain("f7k2")
	w.change("defaults:", `subscriptions:
  - name: prod
    match: {domain: production, workflow: "flows.*"}
    rules: [{name: failed, when: {phase: [FAILED]}, if: 'user == "bob"', send: [{stdout: {}}]}, {name: odd, when: {phase: [FAILED]}, if: "phaze == 1", send: [{stdout: {}}]}]
  - {name: dev, match: {domain: development, labels: {team: "ops*"}}, rules: [{name: failed, when: {phase: [FAILED]}, send: [{stdout: {}}]}]}
defaults:`)
	got := w.on("explain", "prod/failed", "--execution", "ml/production/f7k2")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "does not fire: its condition holds, but its if is false")
	require.Contains(t, got.stdout, `user = "ada"`)
	got = w.on("explain", "dev/failed", "--execution", "ml/production/f7k2")
	require.Contains(t, got.stdout, `not selected: domain is "production", not "development"; label team is "ml", not "ops*"`)
	require.Equal(t, "unselected", lines(t, w.on("explain", "dev/failed", "--execution", "ml/production/f7k2", "--json").stdout)[0]["verdict"])
	got = w.on("explain", "failed", "--execution", "ml/production/f7k2")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "there are: dev/failed, prod/failed")
	require.Contains(t, got.stderr, "subscriptions[0].rules[1].if: unknown variable")
	got = w.on("explain", "prod/failed", "--execution", "ml/production/gone")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "flyteadmin does not know execution ml/production/gone")
}

// declaring is an execution that failed, of a launch plan that declares an e-mail.
func (w *world) declaring(name string) {
	id := flyte.ExecutionID{Scope: running.Scope, Name: name}
	w.flyte.Create(flytesim.Execution{ID: id, Workflow: "flows.train", LaunchPlan: "nightly", User: "ada", Notifications: []flyte.Notification{
		{Kind: flyte.Email, Phases: []string{"FAILED"}, Recipients: []string{"ml@example.org"}},
	}})
	w.flyte.SetPhase(id, "RUNNING")
	w.flyte.SetPhase(id, "FAILED", flytesim.Error("USER", "E1", "boom"))
}

// What the store knows of a launch plan, and what the launch plan declares itself, is explained and rendered.
func TestExplainAndRenderWhatALaunchPlanKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("defaults:", `subscriptions:
  - name: plans
    match: {project: ml, domain: production, workflow: "flows.*"}
    honor_launch_plan_notifications: true
    rules:
      - {name: often, when: {failure_rate: {of: 20, at_least: 5}}, send: [{stdout: {}}]}
      - {name: first, when: {first_failure: true}, send: [{stdout: {}}]}
defaults:`)
	stdout, _, stop := w.serve()
	w.declaring("f1")
	stdout.await(t, "the first failure")
	require.Equal(t, 0, stop())

	got := w.on("explain", "plans/often", "--execution", "ml/production/f1")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "           1 of the 1 that are known failed; at_least is 5 of 20\n")
	got = w.on("explain", "plans/launch-plan-email-0", "--execution", "ml/production/f1")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "rule plans/launch-plan-email-0 for ml/production/f1\n")
	require.Contains(t, got.stdout, "ml@example.org")
	got = w.on("explain", "plans/launch-plan-slack-0", "--execution", "ml/production/f1")
	require.Contains(t, got.stderr, `did you mean "plans/launch-plan-email-0"?`)

	got = command(t, "render", w.config, "--execution", "ml/production/f1")
	require.Contains(t, got.stdout, "  note: of launch plan nightly: no success is known, 1 failure since,\n    20", "it hangs as the first note does")
	require.Contains(t, got.stdout, "rule plans/launch-plan-email-0 (phase:FAILED)\n  to sendgrid through mail to ml@example.org\n")
	got = command(t, "render", w.config, "--rule", "launch-plan-email-0", "--phase", "SUCCEEDED")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stdout, "rule plans/launch-plan-email-0 (phase:SUCCEEDED)\n  to sendgrid through mail to ada@example.org\n")
}
