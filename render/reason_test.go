package render_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/render"
)

func TestDefaultMessageOfEveryReason(t *testing.T) {
	t.Parallel()
	for reason, test := range map[string]struct {
		edit   func(*render.Data)
		title  string
		status notifier.Status
		fact   string // that must be there
	}{
		"running_for:2h0m0s":            {nil, "ml.train has been running for 2h", notifier.Warning, ""},
		"queued_for:10m0s":              {nil, "ml.train has been queued for 10m", notifier.Warning, ""},
		"deadline:6h0m0s":               {nil, "ml.train missed its deadline: 6h after its start", notifier.Warning, ""},
		"deadline:18:00 Europe/Paris":   {nil, "ml.train missed its deadline: 18:00 Europe/Paris", notifier.Warning, ""},
		"deadline:2026-03-01T18:00:00Z": {nil, "ml.train missed its deadline: 2026-03-01T18:00:00Z", notifier.Warning, ""},
		"node:n0-0-n1:FAILED":           {func(d *render.Data) { d.Node = "n0-0-n1" }, "ml.train node n0-0-n1 FAILED", notifier.Failure, "Node: n0-0-n1"},
		"node:n3:SUCCEEDED":             {nil, "ml.train node n3 SUCCEEDED", notifier.Success, ""},
		"before_timeout:n2":             {func(d *render.Data) { d.Node = "n2" }, "ml.train node n2 is about to time out", notifier.Warning, "Node: n2"},
		"running_for:1m0s":              {func(d *render.Data) { d.Node = "n2" }, "ml.train node n2 has been running for 1m", notifier.Warning, ""},
		"running_for:3m0s":              {func(d *render.Data) { d.Repeat, d.Skipped = 4, 2 }, "Reminder 4: ml.train has been running for 3m", notifier.Warning, "Reminder: 4 (2 before it could not be sent in time)"},
		"running_for:4m0s":              {func(d *render.Data) { d.Escalation = 1 }, "Escalation: ml.train has been running for 4m", notifier.Warning, ""},
		"gate:ship-it":                  {func(d *render.Data) { d.Gate = render.Gate{Signal: "ship-it", Type: "boolean", Approval: true} }, "ml.train waits for approval: ship-it", notifier.Warning, `approve("ship-it", "f7a1", project="ml", domain="production")`},
		"gate:rate":                     {func(d *render.Data) { d.Gate = render.Gate{Signal: "rate", Type: "float"} }, "ml.train waits for a signal: rate", notifier.Warning, `set_input("rate", "f7a1", VALUE, project="ml", domain="production")`},
		"no_success_for:26h0m0s":        {func(d *render.Data) { d.Workflow, d.Name, d.LaunchPlan = "", "", "nightly" }, "Launch plan nightly has not succeeded for 26h", notifier.Failure, "Launch plan: nightly"},
		"first_failure":                 {func(d *render.Data) { d.Phase = "FAILED"; d.History.Failures = 1 }, "ml.train FAILED, the first failure since it is watched", notifier.Failure, "Failures in a row: 1"},
		"recovered": {func(d *render.Data) {
			d.Phase, d.History = "SUCCEEDED", render.History{Failures: 3, Since: d.At}
		}, "ml.train has recovered after 3 failures since 2026-11-22T11:00:00Z", notifier.Success, "Failing since: 2026-11-22T11:00:00Z"},
		"failure_rate:5/20": {nil, "ml.train fails often: 5 of the last 20 executions", notifier.Failure, ""},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			d := atPhase("RUNNING")
			d.Name, d.Project, d.Domain = "f7a1", "ml", "production"
			d.Node, d.Reason = "", reason
			if test.edit != nil {
				test.edit(&d)
			}
			m, err := render.Message(render.Content{Data: d}, "k")
			require.NoError(t, err)
			require.Equal(t, test.title, m.Title)
			require.Equal(t, test.status, m.Status)
			require.Contains(t, flat(m), test.fact)
		})
	}
}
