package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// The agent is killed when the delivery is in the store and its channel's name is being looked up:
// between the transition and the first attempt.
func TestFastKilledBeforeTheAttempt(t *testing.T) {
	w := newWorld(t)
	w.slack.Fail("conversations.list", slacksim.Fault{Hang: true, Times: -1})
	w.start()
	id := w.run("before", notification("tell", object{"rules": list{
		object{"when": object{"phase": list{"SUCCEEDED"}}, "send": list{toSlack()}},
	}}), job("train", "tell"))
	w.awaitPhase(id, "SUCCEEDED")
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	require.NoError(t, w.slack.AwaitCalls(ctx, "conversations.list", 1))
	w.killAgent()
	require.Empty(t, w.said(""))
	w.slack.Heal(slacksim.Any)
	w.startAgent()
	w.awaitSlack(1)
	rows := w.settled(1)
	require.Equal(t, "delivered", rows[0].State)
	require.Len(t, w.said(""), 1)
}

// The services took the messages and the agent is killed before it hears of it. Slack lets us ask
// for the message by its key; SendGrid does not, and may get it twice.
func TestFastKilledBeforeTheReceipt(t *testing.T) {
	w := newWorld(t, deliveryTimeout(patience))
	w.slack.Fail("chat.postMessage", slacksim.Fault{Stored: true, Hang: true})
	w.mail.Fail(sendgridsim.Fault{Store: true, Hang: true})
	w.start()
	id := w.run("receipt", notification("tell", selfWatch("SUCCEEDED")), job("train", "tell"))
	w.awaitPhase(id, "SUCCEEDED")
	w.awaitSlack(1)
	w.awaitMail(1)
	w.killAgent()
	w.startAgent()
	rows := w.settled(2)
	require.Len(t, w.said(""), 1)
	posts := w.slack.Messages("")
	require.LessOrEqual(t, len(w.mail.Mails()), 2)
	for _, r := range rows {
		require.Equal(t, "delivered", r.State, r.LastError)
		if r.Notifier == "slack" {
			require.Equal(t, map[string]string{"channel": posts[0].Channel, "ts": posts[0].TS}, r.Receipt)
		}
	}
}
