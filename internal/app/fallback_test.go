package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/config"
	"github.com/flyte-notifier/flyte-notifier/internal/flytesim"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// withOperators has dead messages told in Slack.
const withOperators = `
ops: [{slack: {channel: "#ml"}}]
`

func TestWhatDiesIsSentElsewhereAndToldToTheOperators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sendsElsewhere(w.config(withOperators))
}

func TestWhatDiesIsSentElsewhereOnPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sendsElsewhere(w.onPostgres(pgtest.Database(t), withOperators))
}

// sendsElsewhere tells a channel that does not exist of a failure, then somebody by mail, and then the operators.
func (w *world) sendsElsewhere(c *config.Config) {
	t := w.t
	w.start(c)
	x := w.run("f1")
	created, err := w.agent.CreateTask(w.context(), w.request(w.run("f2"), "notification", object{
		"watch": object{"execution": object{"name": "f1"}}, "wait": true,
		"rules": list{object{
			"when": object{"phase": list{"FAILED"}}, "send": list{object{"slack": object{"channel": "#gone"}}},
			"fallback": list{object{"sendgrid": object{"to": list{"ml@example.org"}}}},
		}},
	}))
	require.NoError(t, err)
	w.flyte.SetPhase(x, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
	began := time.Now()
	mails, err := w.mail.WaitMails(w.context(), 1)
	require.NoError(t, err)
	require.Less(t, time.Since(began), 30*time.Second, "it waits for no look")
	require.Contains(t, mails[0].Text, "out of memory")
	require.Eventually(t, func() bool {
		got, err := w.agent.GetTask(w.context(), &admin.GetTaskRequest{ResourceMeta: created.GetResourceMeta()})
		return err == nil && got.GetResource().GetPhase() == core.TaskExecution_SUCCEEDED
	}, patience, 50*time.Millisecond, "a task that waits does so until the fallback is settled")
	messages, err := w.slack.Await(w.context(), "ml", 1)
	require.NoError(t, err)
	text := slacksim.Render(messages[0])
	require.Contains(t, text, "1 message could not be delivered")
	require.True(t, strings.Contains(text, "team-slack (slack), 1:") && strings.Contains(text, "channel_not_found"), text)
	require.Eventually(t, func() bool { return w.states(c)[store.Delivered] == 2 }, patience, 50*time.Millisecond)
	require.NoError(t, w.stop())
	require.Equal(t, map[store.DeliveryState]int{store.Dead: 1, store.Delivered: 2}, w.states(c))
	require.Len(t, w.mail.Mails(), 1)
}

func TestATaskWaitsForNoFallbackThatIsNotNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config(""))
	x := w.run("f1")
	created, err := w.agent.CreateTask(w.context(), w.request(w.run("f2"), "notification", object{
		"watch": object{"execution": object{"name": "f1"}}, "wait": true,
		"rules": list{object{
			"when": object{"phase": list{"FAILED"}}, "send": list{object{"slack": object{"channel": "#ml"}}},
			"fallback": list{object{"sendgrid": object{"to": list{"ml@example.org"}}}},
		}},
	}))
	require.NoError(t, err)
	began := time.Now()
	w.flyte.SetPhase(x, "FAILED", flytesim.Error("USER", "OOM", "out of memory"))
	require.Eventually(t, func() bool {
		got, err := w.agent.GetTask(w.context(), &admin.GetTaskRequest{ResourceMeta: created.GetResourceMeta()})
		return err == nil && got.GetResource().GetPhase() == core.TaskExecution_SUCCEEDED
	}, 2*patience, 50*time.Millisecond)
	require.Less(t, time.Since(began), 45*time.Second, "it waits for no look at the fallback")
	require.Empty(t, w.mail.Mails())
}
