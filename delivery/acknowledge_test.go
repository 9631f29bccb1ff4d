package delivery_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// reminder is the message of an occurrence with this count and entry of its rule; "0|send[0]" is the first.
func reminder(execution, which, to string) news {
	return news{watch: "w" + execution, execution: execution, phase: "FAILED", to: to, key: "task|ml/production/" + execution + "|failed|phase:FAILED|" + which}
}

// asking is a chat whose outbox asks who acknowledged.
func asking(t *testing.T) *chat {
	t.Helper()
	c := newChat(t, openFile(t, t.TempDir()+"/notifier.db"))
	c.asks = true
	c.start()
	return c
}

func (c *chat) acknowledged() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.acks...)
}

func TestAReactionEndsReminders(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]string{"apart": "", "in a thread": inThread, "edited": edited} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := asking(t)
			first := c.told(reminder("f1", "0|send[0]", to))[0]
			require.Zero(t, c.sim.Calls("reactions.get"), "only before reminders")
			require.Empty(t, c.sim.React("one", first.Receipt["ts"], "U7", "tada"))
			c.told(reminder("f1", "1|send[0]", to))
			require.Equal(t, 1, c.sim.Calls("reactions.get"))
			require.Empty(t, c.acknowledged())

			require.Empty(t, c.sim.React("one", first.Receipt["ts"], "U7", "eyes"))
			posted := len(c.sim.Messages("one"))
			d := c.await(c.tell(reminder("f1", "2|send[0]", to))...)[0]
			require.Equal(t, store.Superseded, d.State)
			require.Zero(t, d.Attempts)
			require.Equal(t, "acknowledged by U7 with :eyes:", d.LastError)
			require.Contains(t, c.timeline("wf1"), "not sent: acknowledged by U7 with :eyes:")
			require.Eventually(t, func() bool { return len(c.acknowledged()) > 0 }, soon, 10*time.Millisecond)
			require.Equal(t, []string{"f1: U7 with :eyes:"}, c.acknowledged())
			require.Len(t, c.sim.Messages("one"), posted)
			require.LessOrEqual(t, c.sim.Calls("reactions.get"), 3)
		})
	}
}

func TestAReactionOnAReminderEndsTheNext(t *testing.T) {
	t.Parallel()
	c := asking(t)
	all := c.told(reminder("f1", "0|send[1]", ""), reminder("f1", "1|send[1]", ""))
	require.Empty(t, c.sim.React("one", all[1].Receipt["ts"], "U8", "white_check_mark"))
	d := c.await(c.tell(reminder("f1", "2|send[1]", ""))...)[0]
	require.Equal(t, store.Superseded, d.State)
	require.Equal(t, 2, c.sim.Calls("reactions.get"), "the latest is asked about first")
	d = c.told(reminder("f2", "1|send[1]", ""))[0]
	require.Equal(t, store.Delivered, d.State, "another execution's")
	require.Equal(t, 2, c.sim.Calls("reactions.get"), "there is no earlier message")
}

func TestAReactionEndsEscalationsElsewhere(t *testing.T) {
	t.Parallel()
	c := asking(t)
	first := c.told(reminder("f1", "0|send[2]", ""), reminder("f1", "0|send[5]", ""), reminder("f1", "0|send[6]", ""))[0]
	boss := reminder("f1", "0|escalate[0].send[0]", "")
	boss.channel = "#two"
	c.told(boss)
	require.Equal(t, 2, c.sim.Calls("reactions.get"), "not about every message")
	require.Empty(t, c.sim.React("one", first.Receipt["ts"], "U8", "+1"))
	boss.key = strings.Replace(boss.key, "escalate[0]", "escalate[1]", 1)
	d := c.await(c.tell(boss)...)[0]
	require.Equal(t, store.Superseded, d.State)
	require.Len(t, c.sim.Messages("two"), 1)
}

func TestAReminderIsSentWhereNobodyCanTell(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	c := newChat(t, openFile(t, t.TempDir()+"/notifier.db"))
	c.asks, c.log = true, slog.New(slog.NewTextHandler(&logged, nil))
	c.start()
	first := c.told(reminder("f1", "0|send[0]", ""))[0]
	require.Empty(t, c.sim.React("one", first.Receipt["ts"], "U7", "eyes"))
	c.sim.Fail("reactions.get", slacksim.Fault{Status: 503})
	c.told(reminder("f1", "1|send[0]", ""))
	c.sim.SetToken(slacksim.DefaultToken, "chat:write", "channels:read", "channels:history")
	c.told(reminder("f1", "2|send[0]", ""), reminder("f1", "3|send[0]", ""))
	c.stop()
	c.stop = func() {}
	require.Empty(t, c.acknowledged())
	require.Len(t, c.sim.Messages("one"), 4)
	require.Equal(t, 1, strings.Count(logged.String(), "nobody can acknowledge by a reaction"), logged.String())
	require.Contains(t, logged.String(), "missing_scope reactions:read")
	require.Equal(t, 1, strings.Count(logged.String(), "reminder is sent without knowing"))
}

func TestAReminderThatIsTriedAgainAsksOnce(t *testing.T) {
	t.Parallel()
	c := asking(t)
	c.told(reminder("f1", "0|send[0]", ""))
	c.sim.Fail("chat.postMessage", slacksim.Fault{Status: 429, RetryAfter: "1"})
	d := c.told(reminder("f1", "1|send[0]", ""))[0]
	require.Equal(t, 2, d.Attempts)
	require.Equal(t, 1, c.sim.Calls("reactions.get"))
}

// TestOnlyWhoWantsToKnowIsAsked: an outbox that tells nobody asks nobody.
func TestOnlyWhoWantsToKnowIsAsked(t *testing.T) {
	t.Parallel()
	c := newChat(t, openFile(t, t.TempDir()+"/notifier.db"))
	c.start()
	first := c.told(reminder("f1", "0|send[0]", ""))[0]
	require.Empty(t, c.sim.React("one", first.Receipt["ts"], "U7", "eyes"))
	c.told(reminder("f1", "1|send[0]", ""))
	require.Zero(t, c.sim.Calls("reactions.get"))
}
