package executor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func facts() executor.Facts {
	return executor.Facts{
		Execution: flyte.Execution{
			ID: id("f1"), Phase: "FAILED", Workflow: "train", LaunchPlan: "nightly", User: "ada",
			Labels: map[string]string{"team": "ml"}, StartedAt: now.Add(-2 * time.Hour),
			Error:      flyte.ExecutionError{Kind: "USER", Code: "E1", Message: "boom"},
			ConsoleURL: "https://console/f1",
		},
		Inputs: map[string]any{"n": int64(9007199254740993)},
	}
}

func node(phase string) executor.Facts {
	f := facts()
	f.Node = &flyte.Node{ID: "n2", Phase: phase, StartedAt: now.Add(-time.Minute), EndedAt: now.Add(-30 * time.Second)}
	return f
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts  executor.Facts
		phases []string
		cond   string
		reason string // empty: it does not fire
		err    string
	}{
		"phase":                    {facts(), []string{"SUCCEEDED", "FAILED"}, "", "phase:FAILED", ""},
		"other phase":              {facts(), []string{"SUCCEEDED"}, "", "", ""},
		"node's phase":             {node("SKIPPED"), []string{"SKIPPED"}, "", "phase:SKIPPED", ""},
		"not its execution's":      {node("RUNNING"), []string{"FAILED"}, "", "", ""},
		"if holds":                 {facts(), []string{"FAILED"}, `elapsed > duration("1h") && labels["team"] == "ml"`, "phase:FAILED", ""},
		"if does not":              {facts(), []string{"FAILED"}, `elapsed > duration("3h")`, "", ""},
		"absent label":             {facts(), []string{"FAILED"}, `labels["nope"] == ""`, "phase:FAILED", ""},
		"exact input":              {facts(), []string{"FAILED"}, `inputs.n == 9007199254740993`, "phase:FAILED", ""},
		"error":                    {facts(), []string{"FAILED"}, `error.kind == "USER" && error.code == "E1" && error.message contains "boom"`, "phase:FAILED", ""},
		"names":                    {facts(), []string{"FAILED"}, `project + domain + name + workflow + launch_plan + user == "mlproductionf1trainnightlyada"`, "phase:FAILED", ""},
		"console":                  {facts(), []string{"FAILED"}, `console_url endsWith "f1"`, "phase:FAILED", ""},
		"node's elapsed and error": {node("FAILED"), []string{"FAILED"}, `node == "n2" && elapsed == duration("30s") && error.message == "boom"`, "phase:FAILED", ""},
		"if fails":                 {facts(), []string{"FAILED"}, `inputs.nope.x == 1`, "", "evaluate if of rule r"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := spec.Rule{Name: "r", When: spec.When{Phases: test.phases}}
			if test.cond != "" {
				var err error
				rule.If, err = spec.Compile(test.cond)
				require.NoError(t, err)
			}
			got, err := executor.Evaluate(test.facts, rule, now)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
			} else {
				require.NoError(t, err)
			}
			if test.reason == "" {
				require.Empty(t, got)
				return
			}
			require.Equal(t, []executor.Occurrence{{Rule: "r", Reason: test.reason}}, got)
			again, err := executor.Evaluate(test.facts, rule, now)
			require.NoError(t, err)
			require.Equal(t, got, again, "it is pure")
		})
	}
}
