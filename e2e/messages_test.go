package e2e

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/agentproc"
	"github.com/flyte-notifier/flyte-notifier/internal/sendgridsim"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
)

// awaitSlack waits until the channel holds n messages.
func (w *world) awaitSlack(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	_, err := w.slack.Await(ctx, channel, n)
	require.NoError(w.t, err)
}

// said is what people read in the channel of this name, or in all of them.
func (w *world) said(channel string) []string {
	var texts []string
	for _, m := range w.slack.Messages(channel) {
		texts = append(texts, slacksim.Render(m))
	}
	return texts
}

// awaitMail waits until n mails were accepted.
func (w *world) awaitMail(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	_, err := w.mail.WaitMails(ctx, n)
	require.NoError(w.t, err)
}

// deliveries are all that the agent's store holds.
func (w *world) deliveries() []agentproc.Row {
	w.t.Helper()
	rows, err := w.agent.Deliveries()
	require.NoError(w.t, err)
	return rows
}

// settled waits until the store holds n deliveries, none of them pending, then stops the agent in
// order: nothing can follow, and every count of messages is final.
func (w *world) settled(n int) []agentproc.Row {
	w.t.Helper()
	var rows []agentproc.Row
	w.eventually("all deliveries settled", func() bool {
		rows = w.deliveries()
		return len(rows) == n && !slices.ContainsFunc(rows, func(r agentproc.Row) bool { return r.State == "pending" })
	})
	w.stopAgent()
	require.Len(w.t, w.deliveries(), n)
	return rows
}

// stopAgent stops the agent as Kubernetes does. Its metrics are looked at before, for secrets.
func (w *world) stopAgent() {
	w.t.Helper()
	code, err := w.agent.Get(w.ctx, "/metrics")
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, code)
	code, err = w.agent.Stop(20 * time.Second)
	require.NoError(w.t, err)
	require.Zero(w.t, code)
}

// toldOnce waits for the one message by each service, and checks that each of them says the
// texts, that there are no more, and that the store knows their receipts.
func (w *world) toldOnce(texts ...string) (slacksim.Message, sendgridsim.Mail) {
	w.t.Helper()
	w.awaitSlack(1)
	w.awaitMail(1)
	rows := w.settled(2)
	require.Len(w.t, w.said(""), 1)
	posts, mails := w.slack.Messages(""), w.mail.Mails()
	require.Len(w.t, mails, 1)
	for _, text := range texts {
		require.Contains(w.t, w.said("")[0], text)
		require.Contains(w.t, mails[0].Text, text)
	}
	require.Equal(w.t, []string{"ml@example.org"}, mails[0].To)
	for _, r := range rows {
		require.Equal(w.t, "delivered", r.State, r.LastError)
		require.Equal(w.t, receipt(r.Notifier, posts[0], mails[0]), r.Receipt)
	}
	return posts[0], mails[0]
}

// receipt is what the service gave back for the message.
func receipt(notifier string, post slacksim.Message, mail sendgridsim.Mail) map[string]string {
	if notifier == "slack" {
		return map[string]string{"channel": post.Channel, "ts": post.TS}
	}
	return map[string]string{"message_id": mail.ID}
}
