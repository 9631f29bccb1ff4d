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
	for name, c := range map[string]struct {
		settings []setting
		call     string
	}{
		"agent-service":     {[]setting{plugins(propeller.AgentService)}, "ExecuteTaskSync"},
		"connector-service": {[]setting{plugins(propeller.ConnectorService)}, "ExecuteTaskSync"},
		// agentForTaskTypes takes the asynchronous API, whatever ListAgents says.
		"agentForTaskTypes": {[]setting{forceAsync("notification_send")}, "CreateTask"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.settings...)
			w.start()
			id := w.run("sends", sending("send", object{"require": "delivered"}))
			w.awaitPhase(id, "SUCCEEDED")
			// Required as delivered: when the node has succeeded, the messages are there.
			require.Len(t, w.slack.Messages(channel), 1)
			require.Len(t, w.mail.Mails(), 1)
			w.toldOnce("Training of train", "by alice in sends")
			require.Len(t, w.toAgent.Calls(c.call), 1)
			require.Empty(t, w.toAgent.Faults(c.call))
		})
	}
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
	require.Empty(t, w.slack.Messages(""))
}
