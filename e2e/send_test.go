package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/propeller"
	"github.com/flyte-notifier/flyte-notifier/e2e/internal/workflow"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// sending is a node that sends now.
func sending(id string, spec object, after ...string) workflow.Node {
	spec["send"] = list{toSlack(), toMail()}
	spec["message"] = object{"title": "Training of {{.Workflow}}", "body": "by {{.User}} in {{.Name}}"}
	return workflow.Node{ID: id, Type: "notification_send", Custom: spec, After: after}
}

func TestFastSendNow(t *testing.T) {
	for _, plugin := range []propeller.Plugin{propeller.AgentService, propeller.ConnectorService} {
		t.Run(string(plugin), func(t *testing.T) {
			w := newWorld(t, plugins(plugin))
			w.start()
			w.sendsNow("ExecuteTaskSync")
		})
	}
}

// agentForTaskTypes takes the asynchronous API, whatever the agent offers.
func TestSendNowThroughAgentForTaskTypes(t *testing.T) {
	w := newWorld(t, forceAsync("notification_send"))
	w.start()
	w.sendsNow("CreateTask")
}

// sendsNow checks that the messages are there when the node has succeeded.
func (w *world) sendsNow(call string) {
	w.t.Helper()
	id := w.run("sends", sending("send", object{"require": "delivered"}))
	w.awaitPhase(id, "SUCCEEDED")
	require.Len(w.t, w.said(channel), 1)
	require.Len(w.t, w.mail.Mails(), 1)
	w.toldOnce("Training of train", "by alice in sends")
	require.Len(w.t, w.tasks(call), 1)
	require.Empty(w.t, w.toAgent.Faults(call))
}

// Slack refuses for good: who asked for delivered is told why.
func TestFastSendThatDiesFailsTheNode(t *testing.T) {
	w := newWorld(t)
	w.slack.ChangeChannel(channel, func(c *slacksim.Channel) { c.Archived = true })
	w.start()
	id := w.run("dies", sending("send", object{"require": "delivered"}))
	w.awaitPhase(id, "FAILED")
	_, message := w.node(id, "send")
	require.Contains(t, message, "is_archived")
	w.awaitMail(1)
	require.Len(t, w.settled(2), 2)
	require.Empty(t, w.said(""))
}
