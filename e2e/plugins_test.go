package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/jobs"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/propeller"
)

func TestFastConnectorService(t *testing.T) {
	w := newWorld(t, plugins(propeller.ConnectorService))
	w.start()
	w.jobs.Set("train", jobs.Failed("no data"))
	id := w.run("connector", notification("tell", selfWatch("FAILED")), job("train", "tell"))
	w.awaitPhase(id, "FAILED")
	w.toldOnce("FAILED", "no data")
}

// Where both plugins reach the agent, FlytePropeller wants to be told which one takes a task type.
func TestFastBothPlugins(t *testing.T) {
	both := func(p *propeller.Config, _ *agentproc.Config) {
		p.Plugins = []propeller.Plugin{propeller.AgentService, propeller.ConnectorService}
		p.DefaultFor = map[string]propeller.Plugin{
			"notification": propeller.AgentService, "notification_send": propeller.ConnectorService,
		}
	}
	w := newWorld(t, both)
	w.start()
	id := w.run("both", notification("tell", object{"rules": list{object{
		"when": object{"phase": list{"SUCCEEDED"}}, "send": list{toSlack()},
	}}}), sending("send", object{}, "tell"))
	w.awaitPhase(id, "SUCCEEDED")
	w.awaitSlack(2)
	w.awaitMail(1)
	require.Len(t, w.settled(3), 3)
	require.Len(t, w.said(""), 2)
	require.Len(t, w.tasks("CreateTask"), 1)
	require.Len(t, w.tasks("ExecuteTaskSync"), 1)
}
