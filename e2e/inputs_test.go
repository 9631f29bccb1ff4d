package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/workflow"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// A task's input names the execution to watch, and inputs are there for templates. A task that does
// not wait is done at once, and the watch lives on.
func TestFastInputsNameTheExecution(t *testing.T) {
	w := newWorld(t)
	w.start()
	nightly := w.elsewhere("nightly-3")
	spec := selfWatch("FAILED")
	spec["watch"] = object{"execution": object{"input": "which"}}
	rule := spec["rules"].(list)[0].(object)
	rule["message"] = object{"title": "{{.Inputs.which}} of {{.Inputs.team}}", "body": "{{.Error}}"}
	tell := notification("tell", spec)
	tell.Inputs = []workflow.Input{
		{Name: "which", Type: workflow.String(), Bind: workflow.Text("nightly-3")},
		{Name: "team", Type: workflow.String(), Bind: workflow.Text("night shift")},
	}
	id := w.run("lets-go", tell)
	w.awaitPhase(id, "SUCCEEDED")
	require.Empty(t, w.said(""))
	w.flyte.SetPhase(nightly, "FAILED", flytesim.Error("SYSTEM", "Lost", "the node went away"))
	post, _ := w.toldOnce("nightly-3 of night shift", "the node went away")
	require.NotContains(t, slacksim.Render(post), "lets-go")
}
