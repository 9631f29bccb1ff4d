package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/workflow"
)

// The agent is killed at moments that nobody chose, over and over, while executions come and go.
// Whatever it was doing: nothing is lost, Slack has each message once, and SendGrid has at most one
// more for each mail that was on its way when the agent died.
func TestKilledAgainAndAgain(t *testing.T) {
	const executions, kills = 15, 5
	w := newWorld(t, patient)
	w.start()
	started := make(chan error, 1)
	go func() { started <- w.runMany(executions) }()
	for i := range kills {
		// Each kill waits for a number of calls more, to meet the agent in the midst of its work.
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		require.NoError(t, w.slack.AwaitCalls(ctx, "chat.postMessage", 2*i+1))
		cancel()
		w.killAgent()
		w.startAgent()
	}
	require.NoError(t, <-started)
	w.eventually("all executions have ended", func() bool {
		return !slices.ContainsFunc(many(executions), func(name string) bool { return w.phase(execution(name)) != "SUCCEEDED" })
	})
	rows := w.settled(2 * executions)
	for _, r := range rows {
		require.Equal(t, "delivered", r.State, r.LastError)
	}
	told := map[string]int{}
	for _, text := range w.said("") {
		told[about(text, many(executions))]++
	}
	mails := map[string]int{}
	for _, m := range w.mail.Mails() {
		mails[about(m.Text, many(executions))]++
	}
	doubles := 0
	for _, name := range many(executions) {
		require.Equal(t, 1, told[name], "Slack, %s", name)
		require.GreaterOrEqual(t, mails[name], 1, "SendGrid, %s", name)
		require.LessOrEqual(t, mails[name], 2, "SendGrid, %s", name)
		doubles += mails[name] - 1
	}
	t.Logf("%d kills among %d messages each: %d mails came twice", kills, executions, doubles)
}

// runMany starts an execution every now and then.
func (w *world) runMany(n int) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for _, name := range many(n) {
		tell := notification("tell", selfWatch("SUCCEEDED"))
		tell.Retries = 3 // a call that is cut off in its midst is a failed attempt
		if err := w.create(execution(name), []workflow.Node{tell, job("train", "tell")}); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}

func many(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("run-%c", 'a'+i))
	}
	return names
}

// about is the name that the text mentions.
func about(text string, names []string) string {
	i := slices.IndexFunc(names, func(name string) bool { return strings.Contains(text, name) })
	if i < 0 {
		return ""
	}
	return names[i]
}
