package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
)

// failedTrain is an execution that failed, in the world's flyteadmin.
func (w *world) failedTrain(name string) {
	id := flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: name}
	w.flyte.Create(flytesim.Execution{ID: id, Workflow: "flows.train", LaunchPlan: "nightly", User: "ada", Labels: map[string]string{"team": "ml"}})
	w.flyte.SetPhase(id, "RUNNING", flytesim.At(time.Now().Add(-time.Hour)))
	w.flyte.SetPhase(id, "FAILED", flytesim.Error("USER", "E1", "boom"))
}

func TestRender(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.failedTrain("f7k2")
	task := w.write("task.yaml", `rules: [{name: failed, when: {phase: [FAILED, ABORTED]}, send: [{slack: {channel: "#ml-alerts"}}, {slack: {channel: "#other"}}, {stdout: {}}]}]`)
	bad := w.write("bad.yaml", `rules: [{name: failed, when: {phase: [FAILED]}, send: [{stdout: {}}], message: {body: '{{index .Inputs.rows 50}}'}}]`)
	slack := "rule failed (phase:ABORTED)\n  to slack to #ml-alerts\n  to slack to #other\n  to stdout\n\n    [warning] churn.workflows.train ABORTED\n"
	for name, tc := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"sample":         {[]string{task, "--phase", "ABORTED"}, 0, slack, ""},
		"with a config":  {[]string{task, "--config", w.config}, 1, "through team-slack to #other\n  dead: the connection does not allow destination #other\n", "1 of 1 messages would not be sent"},
		"real":           {[]string{task, "--config", w.config, "--execution", "ml/production/f7k2"}, 1, "[failure] flows.train FAILED", ""},
		"bad template":   {[]string{bad}, 1, "This is the default message", "1 of 1 messages would not be sent as they are written"},
		"unknown":        {[]string{task, "--config", w.config, "--execution", "ml/production/gone"}, 1, "", "flyteadmin does not know execution ml/production/gone"},
		"no such name":   {[]string{task, "--config", w.config, "--execution", "gone"}, 2, "", "--execution: must be PROJECT/DOMAIN/NAME"},
		"no config":      {[]string{task, "--execution", "ml/production/f7k2"}, 2, "", "--execution: needs --config"},
		"task as config": {[]string{task, "--config", task}, 1, "", "is not a server config"},
		"unknown rule":   {[]string{task, "--rule", "x"}, 1, "", `unknown rule "x"; there are: failed`},
		"no file":        {[]string{w.dir + "/none"}, 2, "", "no such file"},
		"invalid":        {[]string{w.write("invalid.yaml", "rules: []")}, 1, "", "rules: "},
		"without rules":  {[]string{w.config}, 1, "", "the file has no rules"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := command(t, append([]string{"render"}, tc.args...)...)
			require.Equal(t, tc.code, got.code, "%s%s", got.stdout, got.stderr)
			require.Contains(t, got.stdout, tc.stdout)
			require.Contains(t, got.stderr, tc.stderr)
		})
	}
}

func TestRenderAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, os.Remove(w.dir+"/slack"), "no secret is read")
	got := command(t, "render", "--json", w.write("task.yaml", `rules: [{name: failed, when: {phase: [FAILED]}, send: [{slack: {channel: "#ml-alerts"}}, {sendgrid: {to: [ml@example.org]}}]}]`))
	require.Equal(t, 0, got.code, got.stderr)
	all := lines(t, got.stdout)
	require.Len(t, all, 2)
	require.Equal(t, "#ml-alerts", all[0]["destination"])
	require.NotEmpty(t, all[0]["payload"].(map[string]any)["blocks"])
	require.Equal(t, "churn.workflows.train FAILED", all[1]["subject"])
	require.True(t, strings.HasPrefix(all[1]["text"].(string), "churn.workflows.train FAILED\n====="))
}

func TestRenderOfSubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.failedTrain("f7k2")
	w.change("defaults:", `subscriptions: [{name: prod, match: {domain: production}, rules: [{name: failed, when: {phase: [FAILED]}, send: [{slack: {channel: "#ml-alerts"}}]}, {name: odd, when: {phase: [FAILED]}, if: "phaze == 1", send: [{stdout: {}}]}]}]
defaults:`)
	got := command(t, "render", w.config, "--execution", "ml/production/f7k2")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stdout, "rule prod/failed (phase:FAILED)\n  to slack through team-slack to #ml-alerts\n\n    [failure] flows.train FAILED\n")
	require.Contains(t, got.stdout, "| boom")
	require.Contains(t, got.stderr, `subscriptions[0].rules[1].if: unknown variable "phaze", did you mean "phase"?`)
}
