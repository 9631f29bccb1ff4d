package delivery_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func TestAnExecutionsMessagesAreOneThreadAcrossRestarts(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		first := c.told(news{watch: "w1", execution: "f1", phase: "RUNNING", to: broadcast})[0]
		require.NotContains(t, first.Receipt, "thread_ts")
		c.restart()
		all := c.told(
			news{watch: "w1", execution: "f1", phase: "FAILED", to: broadcast},
			news{watch: "w2", execution: "f1", phase: "SUCCEEDED", to: broadcast},
			news{watch: "w2", execution: "f1", phase: "FAILED", to: inThread},
			news{watch: "w3", execution: "f2", phase: "QUEUED", to: inThread},
			news{watch: "w1", execution: "f1", phase: "ABORTED"},
			news{watch: "w1", execution: "f1", phase: "QUEUED", to: inThread, channel: "#two"},
		)
		require.Equal(t, []string{
			"RUNNING", "FAILED in RUNNING, broadcast", "SUCCEEDED in RUNNING", "FAILED in RUNNING", "QUEUED", "ABORTED",
		}, c.shown("one"))
		require.Equal(t, []string{"QUEUED"}, c.shown("two"))
		require.Equal(t, first.Receipt["ts"], all[0].Receipt["thread_ts"])
		require.Equal(t, "C1", all[0].Receipt["channel"])
	})
}

func TestALostAnswerInAThreadIsFoundThere(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		lost := slacksim.Fault{Stored: true, Reset: true}
		c.sim.Fail("chat.postMessage", lost)
		first := c.told(news{watch: "w1", execution: "f1", phase: "RUNNING", to: inThread})[0]
		c.sim.Fail("chat.postMessage", lost)
		second := c.told(news{watch: "w1", execution: "f1", phase: "FAILED", to: inThread})[0]
		for _, d := range []store.Delivery{first, second} {
			require.Equal(t, 1, d.Attempts, "it was found, not sent again")
			require.False(t, d.Double)
		}
		require.Equal(t, []string{"RUNNING", "FAILED in RUNNING"}, c.shown("one"))
	})
}

func TestOthersWaitWhileNobodyKnowsWhetherTheThreadBegan(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		c.sim.Fail("chat.postMessage", slacksim.Fault{Stored: true, Hang: true})
		first := c.tell(news{watch: "w1", execution: "f1", phase: "RUNNING", to: inThread})
		_, err := c.sim.Await(t.Context(), "one", 1)
		require.NoError(t, err)
		c.sim.Fail("conversations.history", slacksim.Fault{Status: 503})
		second := c.tell(news{watch: "w2", execution: "f1", phase: "FAILED", to: inThread})
		both := c.await(append(first, second...)...)
		require.Equal(t, []string{"RUNNING", "FAILED in RUNNING"}, c.shown("one"))
		require.Equal(t, []int{1, 1}, []int{both[0].Attempts, both[1].Attempts}, "to wait is no send")
	})
}

func TestAThreadBeganBeforeAKill(t *testing.T) {
	t.Parallel()
	long(t)
	c := newChat(t, openFile(t, t.TempDir()+"/notifier.db"))
	c.start()
	c.sim.Fail("chat.postMessage", slacksim.Fault{Stored: true, Hang: true})
	first := c.tell(news{watch: "w1", execution: "f1", phase: "RUNNING", to: inThread})
	_, err := c.sim.Await(t.Context(), "one", 1)
	require.NoError(t, err)
	c.kill()
	c.start()
	second := c.tell(news{watch: "w2", execution: "f1", phase: "FAILED", to: inThread})
	c.await(append(first, second...)...)
	require.Equal(t, []string{"RUNNING", "FAILED in RUNNING"}, c.shown("one"))
}

func TestServersBeginOneThread(t *testing.T) {
	t.Parallel()
	c := newChat(t, onDatabase(t))
	c.start()
	c.start()
	c.sim.Fail("chat.postMessage", slacksim.Fault{Latency: 100 * time.Millisecond, Times: 10})
	var ids []string
	for i := range 20 {
		ids = append(ids, c.tell(news{watch: fmt.Sprint("w", i), execution: "f1", phase: "FAILED", to: inThread})...)
	}
	for _, d := range c.await(ids...) {
		require.Equal(t, store.Delivered, d.State, d.LastError)
	}
	shown := c.shown("one")
	require.Len(t, shown, 20)
	require.Equal(t, "FAILED", shown[0])
	for _, reply := range shown[1:] {
		require.Equal(t, "FAILED in FAILED", reply)
	}
}

func TestAThreadWhoseFirstMessageWasDeletedBeginsAnew(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		first := c.told(news{watch: "w1", execution: "f1", phase: "QUEUED", to: inThread})[0]
		require.True(t, c.sim.Delete("one", first.Receipt["ts"]))
		c.told(news{watch: "w1", execution: "f1", phase: "RUNNING", to: inThread})
		c.restart()
		c.told(news{watch: "w1", execution: "f1", phase: "FAILED", to: inThread})
		c.sim.Fail("chat.postMessage", slacksim.Fault{Error: "restricted_action_thread_locked"})
		c.told(
			news{watch: "w1", execution: "f1", phase: "ABORTED", to: inThread},
			news{watch: "w1", execution: "f1", phase: "SUCCEEDED", to: inThread},
		)
		require.Equal(t, []string{"RUNNING", "FAILED in RUNNING", "ABORTED", "SUCCEEDED in ABORTED"}, c.shown("one"))
	})
}

func TestAMessageIsEditedInPlace(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		begin := time.Now().UTC().Add(-time.Hour)
		first := c.told(news{watch: "w1", execution: "f1", phase: "QUEUED", to: edited, at: begin})[0]
		c.restart()
		second := c.told(news{watch: "w1", execution: "f1", phase: "FAILED", to: edited, at: begin.Add(2 * time.Minute)})[0]
		require.Equal(t, first.Receipt, second.Receipt)
		late := c.await(c.tell(news{watch: "w2", execution: "f1", phase: "RUNNING", to: edited, at: begin.Add(time.Minute)})...)[0]
		require.Equal(t, store.Superseded, late.State)
		require.Zero(t, late.Attempts)
		require.Contains(t, c.timeline("w2"), "not sent: the message shows something newer already")
		require.Equal(t, []string{"FAILED"}, c.shown("one"))
		c.told(
			news{watch: "w2", execution: "f1", phase: "SUCCEEDED", to: edited, at: begin.Add(2 * time.Minute)},
			news{watch: "w3", execution: "f2", phase: "RUNNING", to: edited},
			news{watch: "w2", execution: "f1", phase: "QUEUED", to: inThread},
		)
		require.Equal(t, []string{"SUCCEEDED", "RUNNING", "QUEUED"}, c.shown("one"))
		require.Equal(t, 2, c.sim.Messages("one")[0].Edits)
	})
}

func TestALostEditIsMadeAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		c.told(news{watch: "w1", execution: "f1", phase: "RUNNING", to: edited})
		c.sim.Fail("chat.update", slacksim.Fault{Stored: true, Reset: true})
		d := c.told(news{watch: "w1", execution: "f1", phase: "FAILED", to: edited})[0]
		require.False(t, d.Double)
		require.Equal(t, 2, d.Attempts)
		require.Equal(t, []string{"FAILED"}, c.shown("one"))
	})
}

// TestAnEditThatFailedComesBeforeTheNext: it may take effect after its answer was lost, so the next one waits until
// it was made again.
func TestAnEditThatFailedComesBeforeTheNext(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		begin := time.Now().UTC().Add(-time.Hour)
		c.told(news{watch: "w1", execution: "f1", phase: "QUEUED", to: edited, at: begin})
		c.sim.Fail("chat.update", slacksim.Fault{Reset: true, Times: 2})
		older := c.tell(news{watch: "w1", execution: "f1", phase: "RUNNING", to: edited, at: begin.Add(time.Minute)})
		require.NoError(t, c.sim.AwaitCalls(t.Context(), "chat.update", 1))
		newer := c.tell(news{watch: "w2", execution: "f1", phase: "FAILED", to: edited, at: begin.Add(2 * time.Minute)})
		both := c.await(append(older, newer...)...)
		require.Equal(t, []store.DeliveryState{store.Delivered, store.Delivered}, []store.DeliveryState{both[0].State, both[1].State})
		require.True(t, both[0].SettledAt.Before(both[1].SettledAt))
		require.Equal(t, []int{3, 1}, []int{both[0].Attempts, both[1].Attempts})
		require.Equal(t, []string{"FAILED"}, c.shown("one"))
	})
}

// TestAnEditThatIsOverIsWaitedFor: nobody makes it again, and yet it may take effect late.
func TestAnEditThatIsOverIsWaitedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		c.told(news{watch: "w1", execution: "f1", phase: "QUEUED", to: edited})
		c.sim.Fail("chat.update", slacksim.Fault{Hang: true})
		older := c.tell(news{watch: "w1", execution: "f1", phase: "RUNNING", to: edited})
		require.NoError(t, c.sim.AwaitCalls(t.Context(), "chat.update", 1))
		require.NoError(t, c.store.Write(t.Context(), store.Change{At: time.Now().UTC(), Superseded: older}))
		newer := c.tell(news{watch: "w1", execution: "f1", phase: "FAILED", to: edited})
		require.Equal(t, store.Superseded, c.await(older...)[0].State)
		require.Never(t, func() bool { return c.sim.Calls("chat.update") > 1 }, time.Second, 10*time.Millisecond)

		note := c.thread() // two minutes later
		var held map[string]any
		require.NoError(t, json.Unmarshal(note.Body, &held))
		require.Equal(t, older[0], held["holder"])
		held["since"] = time.Now().Add(-2 * time.Minute).UTC()
		var err error
		note.Body, err = json.Marshal(held)
		require.NoError(t, err)
		require.NoError(t, c.store.Write(t.Context(), store.Change{At: time.Now().UTC(), Notes: []store.Note{note}}))
		require.Equal(t, store.Delivered, c.await(newer...)[0].State)
		require.Equal(t, []string{"FAILED"}, c.shown("one"))
	})
}

// TestAnEditOfAKilledServerComesBeforeTheNext: nothing older is shown in between.
func TestAnEditOfAKilledServerComesBeforeTheNext(t *testing.T) {
	t.Parallel()
	long(t)
	c := newChat(t, openFile(t, t.TempDir()+"/notifier.db"))
	c.start()
	begin := time.Now().UTC().Add(-time.Hour)
	c.told(news{watch: "w1", execution: "f1", phase: "QUEUED", to: edited, at: begin})
	c.sim.Fail("chat.update", slacksim.Fault{Stored: true, Hang: true})
	newer := c.tell(news{watch: "w1", execution: "f1", phase: "FAILED", to: edited, at: begin.Add(2 * time.Minute)})
	require.NoError(t, c.sim.AwaitCalls(t.Context(), "chat.update", 1))
	c.kill()
	c.sim.Fail("conversations.history", slacksim.Fault{Status: 503, Times: 2})
	c.start()
	older := c.tell(news{watch: "w2", execution: "f1", phase: "RUNNING", to: edited, at: begin.Add(time.Minute)})
	both := c.await(append(newer, older...)...)
	require.Equal(t, []store.DeliveryState{store.Delivered, store.Superseded}, []store.DeliveryState{both[0].State, both[1].State})
	require.Equal(t, []string{"FAILED"}, c.shown("one"))
	require.Equal(t, 1, c.sim.Calls("chat.update"), "the older state was never shown")
}

// TestAWatchsEditsKeepTheirOrderWhateverTheClocks: the next one may be made by a server whose clock is behind.
func TestAWatchsEditsKeepTheirOrderWhateverTheClocks(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		begin := time.Now().UTC()
		c.told(
			news{watch: "w1", execution: "f1", phase: "RUNNING", to: edited, at: begin},
			news{watch: "w1", execution: "f1", phase: "SUCCEEDED", to: edited, at: begin.Add(-2 * time.Second)},
		)
		require.Equal(t, []string{"SUCCEEDED"}, c.shown("one"))
	})
}

// TestAThreadIsKeptWhileItIsUsed: the note that holds it goes with no watch, and every message of the thread puts off
// when it is due.
func TestAThreadIsKeptWhileItIsUsed(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		c.told(news{watch: "w1", execution: "f1", phase: "RUNNING", to: inThread})
		require.NoError(t, c.store.Cancel(t.Context(), "w1", 0, "", time.Now().UTC()))
		n, err := c.store.Purge(t.Context(), time.Now().Add(time.Hour), time.Time{}, 10)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		note := c.thread()
		require.WithinDuration(t, time.Now().Add(7*24*time.Hour), note.Due, time.Hour)
		note.Due = time.Now().Add(5 * 24 * time.Hour).UTC()
		require.NoError(t, c.store.Write(t.Context(), store.Change{At: time.Now().UTC(), Notes: []store.Note{note}}))
		c.told(news{watch: "w2", execution: "f1", phase: "FAILED", to: inThread})
		require.Equal(t, []string{"RUNNING", "FAILED in RUNNING"}, c.shown("one"))
		require.WithinDuration(t, time.Now().Add(7*24*time.Hour), c.thread().Due, time.Hour)
	})
}

// thread is the only thread there is.
func (c *chat) thread() store.Note {
	c.t.Helper()
	all, err := c.store.AllNotes(c.t.Context(), store.NoteThread, "", 10)
	require.NoError(c.t, err)
	require.Len(c.t, all, 1)
	return all[0]
}

func TestADeletedMessageIsReplacedAndThenEdited(t *testing.T) {
	onBoth(t, func(t *testing.T, c *chat) {
		c.start()
		first := c.told(news{watch: "w1", execution: "f1", phase: "QUEUED", to: edited})[0]
		require.True(t, c.sim.Delete("one", first.Receipt["ts"]))
		second := c.told(news{watch: "w1", execution: "f1", phase: "RUNNING", to: edited})[0]
		require.NotEqual(t, first.Receipt, second.Receipt)
		require.Equal(t, 1, second.Attempts)
		third := c.told(news{watch: "w1", execution: "f1", phase: "FAILED", to: edited})[0]
		require.Equal(t, second.Receipt, third.Receipt)
		require.Equal(t, []string{"FAILED"}, c.shown("one"))
	})
}

// TestADeletedMessageIsReplacedOnceOrSaysSo: the answer to the new one is lost. It is no edit, which could be repeated.
func TestADeletedMessageIsReplacedOnceOrSaysSo(t *testing.T) {
	for name, scopes := range map[string][]string{
		"it is found":     {"chat:write", "channels:read", "channels:history"},
		"nobody can look": {"chat:write", "channels:read"},
	} {
		looked := len(scopes) > 2
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, c *chat) {
				c.sim.SetToken(slacksim.DefaultToken, scopes...)
				c.start()
				first := c.told(news{watch: "w1", execution: "f1", phase: "QUEUED", to: edited})[0]
				require.True(t, c.sim.Delete("one", first.Receipt["ts"]))
				c.sim.Fail("chat.postMessage", slacksim.Fault{Stored: true, Reset: true})
				ids := c.tell(news{watch: "w1", execution: "f1", phase: "RUNNING", to: edited})
				require.NoError(t, c.sim.AwaitCalls(t.Context(), "chat.postMessage", 2))
				late := c.tell(news{watch: "w2", execution: "f1", phase: "SUCCEEDED", to: edited})
				both := c.await(append(ids, late...)...)
				require.Equal(t, []store.DeliveryState{store.Delivered, store.Delivered}, []store.DeliveryState{both[0].State, both[1].State})
				require.Equal(t, !looked, both[0].Double)
				require.Equal(t, 2, c.sim.Calls("chat.update"), "the message that was deleted is tried once")
				if looked {
					require.Equal(t, []string{"SUCCEEDED"}, c.shown("one"))
				} else {
					require.Equal(t, []string{"RUNNING", "SUCCEEDED"}, c.shown("one"))
				}
			})
		})
	}
}

// TestAnEditBeforeAKillIsNoDouble: the bot may not read the history, and yet nothing comes twice.
func TestAnEditBeforeAKillIsNoDouble(t *testing.T) {
	t.Parallel()
	long(t)
	c := newChat(t, openFile(t, t.TempDir()+"/notifier.db"))
	c.sim.SetToken(slacksim.DefaultToken, "chat:write", "channels:read")
	c.start()
	c.told(news{watch: "w1", execution: "f1", phase: "RUNNING", to: edited})
	c.sim.Fail("chat.update", slacksim.Fault{Stored: true, Hang: true})
	ids := c.tell(news{watch: "w1", execution: "f1", phase: "FAILED", to: edited})
	require.NoError(t, c.sim.AwaitCalls(t.Context(), "chat.update", 1))
	c.kill()
	c.start()
	d := c.await(ids...)[0]
	require.Equal(t, store.Delivered, d.State)
	require.False(t, d.Double)
	require.Equal(t, []string{"FAILED"}, c.shown("one"))
}

// TestServersShowTheNewest: whatever order the edits of many watches are made in.
func TestServersShowTheNewest(t *testing.T) {
	t.Parallel()
	c := newChat(t, onDatabase(t))
	c.start()
	c.start()
	begin := time.Now().UTC()
	var ids []string
	c.sim.Fail("chat.update", slacksim.Fault{Latency: 30 * time.Millisecond, Times: 5})
	for _, i := range rand.Perm(20) {
		phase := "RUNNING"
		if i == 19 {
			phase = "SUCCEEDED"
		}
		ids = append(ids, c.tell(news{watch: fmt.Sprint("w", i), execution: "f1", phase: phase, to: edited, at: begin.Add(time.Duration(i) * time.Second)})...)
	}
	for _, d := range c.await(ids...) {
		require.NotEqual(t, store.Dead, d.State, d.LastError)
	}
	require.Equal(t, []string{"SUCCEEDED"}, c.shown("one"))
}

func TestAMessageThatStandsForSeveralStandsApart(t *testing.T) {
	t.Parallel()
	c := asking(t)
	first := c.told(
		news{watch: "w1", execution: "f1", phase: "RUNNING", to: inThread},
		news{watch: "w1", execution: "f1", phase: "FAILED", to: inThread, digest: true},
		news{watch: "w1", execution: "f1", phase: "QUEUED", to: edited},
		news{watch: "w1", execution: "f1", phase: "ABORTED", to: edited, digest: true},
		reminder("f2", "0|send[0]", inThread),
	)[4]
	require.Len(t, c.sim.Messages("one"), 5)
	for _, m := range c.sim.Messages("one") {
		require.Empty(t, m.ThreadTS)
		require.Zero(t, m.Edits)
	}
	require.Empty(t, c.sim.React("one", first.Receipt["ts"], "U7", "eyes"))
	both := reminder("f2", "1|send[0]", inThread)
	both.digest = true
	c.told(both)
	require.Zero(t, c.sim.Calls("reactions.get"), "others may not be acknowledged")
}
