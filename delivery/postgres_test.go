package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// soon is what a busy machine may need for what takes milliseconds.
const soon = 20 * time.Second

func TestServersSendEachMessageOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		if rand.N(10) == 0 {
			return notifier.RetryAfter(time.Duration(rand.N(int64(50*time.Millisecond))), errors.New("busy"))
		}
		return nil
	}}
	w := onPostgres(t, s)
	w.start()
	w.start()
	var ids []string
	for i := range 40 {
		ids = append(ids, w.add(fmt.Sprintf("w%02d", i), "#a", "#b", "#a", "#c", "#a", "#b")...)
	}
	w.awaitDelivered(time.Minute, ids...)
	last := map[string]string{} // by watch and channel
	for _, p := range s.sent() {
		require.Equal(t, 1, s.times(p.key))
		lane := strings.Split(p.key, "-")[0] + p.channel
		require.Less(t, last[lane], p.key, "the order of a watch and channel")
		last[lane] = p.key
	}
	require.Len(t, s.sent(), 240)
}

// TestServersTakeBackWhatIsBeingSent: the job that has it open finds out with its next step.
func TestServersTakeBackWhatIsBeingSent(t *testing.T) {
	t.Parallel()
	under, end := make(chan struct{}), make(chan struct{})
	var calls tally
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		if calls.note() > 1 {
			return nil
		}
		close(under)
		<-end
		return notifier.Retry.Errorf("busy")
	}}
	w := onPostgres(t, s)
	w.start()
	w.start()
	ids := w.add("w", "#a", "#a")
	<-under
	require.NoError(t, w.store.Write(t.Context(), store.Change{At: time.Now().UTC(), Superseded: ids[:1], Why: "acknowledged"}))
	close(end)
	w.awaitDelivered(soon, ids[1])
	d := w.get(ids[0])
	require.Equal(t, store.Superseded, d.State)
	require.Equal(t, "acknowledged", d.LastError)
	require.Equal(t, 2, calls.count())
}

func TestServersShareARate(t *testing.T) {
	t.Parallel()
	s := &service{}
	w := onPostgres(t, s)
	w.conns[0].Rate = notifier.Rate{PerSecond: 20, Burst: 5}
	var ids []string
	for i := range 100 {
		ids = append(ids, w.add(fmt.Sprint("w", i), "#a")...)
	}
	begin := time.Now()
	w.start()
	w.start()
	w.awaitDelivered(time.Minute, ids...)
	require.Greater(t, time.Since(begin), 4*time.Second)
	posts := s.sent()
	require.Len(t, posts, 100)
	slices.SortFunc(posts, func(a, b post) int { return a.at.Compare(b.at) })
	for i := range len(posts) - 30 {
		// A token is taken before the call: calls may bunch a little.
		require.Greater(t, posts[i+30].at.Sub(posts[i].at), 900*time.Millisecond, "30 in a row take 25 tokens' time, but for the burst")
	}
}

func TestServersObeyRetryAfterTogether(t *testing.T) {
	t.Parallel()
	var calls tally
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		if calls.note() == 1 {
			return notifier.RetryAfter(3*time.Second, errors.New("slow down"))
		}
		return nil
	}}
	w := onPostgres(t, s)
	w.start()
	w.start()
	ids := w.add("w", "#a")
	w.awaitThat(soon, "a first call", ids[0], func(d store.Delivery) bool { return d.LastError == "slow down" })
	for i := range 20 {
		ids = append(ids, w.add(fmt.Sprint("v", i), "#a")...)
	}
	w.awaitDelivered(soon, ids...)
	require.GreaterOrEqual(t, calls.times()[1].Sub(calls.times()[0]), 2900*time.Millisecond)
}

func TestALostAnswerOfSlackMakesOneMessage(t *testing.T) {
	t.Parallel()
	sim := slacksim.New(slacksim.Options{})
	t.Cleanup(sim.Close)
	w := onPostgres(t, nil)
	slackOf(w, sim)
	sim.Fail("chat.postMessage", slacksim.Fault{Stored: true, Reset: true})
	w.start()
	w.start()
	w.move("w", w.delivery("d1", slack.Kind, "workspace", "#general", json.RawMessage(`{"channel": "#general"}`)))
	w.awaitDelivered(soon, "d1")
	d := w.get("d1")
	require.Equal(t, 1, d.Attempts, "it was found, not sent again")
	require.False(t, d.Double)
	require.NotEmpty(t, d.Receipt["ts"])
	require.Len(t, sim.Messages("#general"), 1)
}

// slackOf makes the servers send to a simulated Slack, as connection "workspace".
func slackOf(w *servers, sim *slacksim.Sim) {
	file := filepath.Join(w.t.TempDir(), "token")
	require.NoError(w.t, os.WriteFile(file, []byte(slacksim.DefaultToken), 0o600))
	n, err := slack.New(slack.Config{Token: notifier.Secret{File: file}, APIURL: exchange.BaseURL(sim.URL())}, nil)
	require.NoError(w.t, err)
	w.registry = notifier.NewRegistry(manifest(), slack.Manifest())
	w.conns = append(w.conns, &notifier.Connection{Name: "workspace", Kind: slack.Kind, Notifier: n})
}

func TestServersThatHangHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	s := &service{send: func(ctx context.Context, p *place, _ notifier.Message) error {
		if strings.HasPrefix(p.Channel, "#hang") {
			<-ctx.Done()
			return notifier.Retry.Errorf("hangs")
		}
		return nil
	}}
	w := onPostgres(t, s)
	w.conns = append(w.conns, &notifier.Connection{Name: "other", Kind: "chat", Notifier: s})
	var all []store.Delivery
	for i := range 1000 {
		channel := fmt.Sprint("#hang", i%500)
		all = append(all, w.delivery(fmt.Sprint("h", i), "chat", "other", channel, json.RawMessage(`{"channel": "`+channel+`"}`)))
	}
	w.move("hanging", all...)
	w.start()
	w.awaitThat(soon, "calls that hang", "h0", func(d store.Delivery) bool { return d.Attempts > 0 })
	for i := range 10 {
		begin := time.Now()
		ids := w.add(fmt.Sprint("w", i), "#a", "#b")
		w.awaitDelivered(5*time.Second, ids...)
		t.Log("beside a connection that hangs:", time.Since(begin))
	}
}

func TestAQuietChannelWaitsForNoBusyOne(t *testing.T) {
	t.Parallel()
	const channels, each = 60, 60
	s := &service{}
	w := onPostgres(t, s)
	w.conns[0].Rate = notifier.Rate{PerSecond: 1, Burst: 1}
	for i := range each {
		w.batch(fmt.Sprint("busy", i), channels)
	}
	w.start()
	w.await(soon, "a first message", func() bool { return len(s.sent()) > 0 })
	for i := range 8 {
		begin := time.Now()
		w.awaitDelivered(4*time.Second, w.add(fmt.Sprint("w", i), fmt.Sprint("#quiet", i))...)
		t.Log("to a quiet channel beside busy ones:", time.Since(begin))
		<-time.After(500 * time.Millisecond)
	}
}

func TestARedriveByACommandIsSeenInTime(t *testing.T) {
	t.Parallel()
	var healed atomic.Bool
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		if !healed.Load() {
			return notifier.Permanent.Errorf("channel_not_found")
		}
		return nil
	}}
	w := onPostgres(t, s)
	w.start()
	ids := w.add("w", "#a", "#a")
	w.awaitThat(soon, "dead", ids[1], func(d store.Delivery) bool { return d.State == store.Dead })
	healed.Store(true)
	refused, err := w.store.Redrive(t.Context(), ids, time.Now().UTC())
	require.NoError(t, err)
	require.Empty(t, refused)
	w.awaitDelivered(5*time.Second, ids...)
}

func TestDeliveriesGoOnAfterARestartOfPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{NoSync: true})
	s := &service{send: func(context.Context, *place, notifier.Message) error {
		<-time.After(20 * time.Millisecond)
		return nil
	}}
	w := on(t, server.Database(t), lookable{s})
	w.start()
	w.start()
	var ids []string
	for i := range 300 {
		ids = append(ids, w.add(fmt.Sprint("w", i), fmt.Sprint("#", i%10))...)
	}
	require.NoError(t, server.Restart(t.Context(), pgtest.Immediate))
	begin := time.Now()
	after := w.delivery("after", "chat", "team", "#after", json.RawMessage(`{"channel": "#after"}`))
	w.await(soon, "the store is back", func() bool { return w.tryMove("after", after) == nil })
	w.awaitDelivered(10*time.Second-time.Since(begin), "after")
	t.Log("first delivery after the restart:", time.Since(begin))
	w.awaitDelivered(time.Minute, ids...)
	for _, id := range ids {
		require.LessOrEqual(t, s.times(id), 1, "what was recorded nowhere was looked up")
	}
}

func TestAStoreWithoutJobsIsAdopted(t *testing.T) {
	t.Parallel()
	s := &service{}
	w := onPostgres(t, s)
	ids := w.add("w", "#a", "#a", "#b")
	w.exec("DELETE FROM flyte_notifier.river_job")
	w.start()
	w.awaitDelivered(soon, ids...)
}

func TestAStoppedServersWorkIsTakenOver(t *testing.T) {
	t.Parallel()
	long(t)
	var calls tally
	s := &service{send: func(ctx context.Context, _ *place, _ notifier.Message) error {
		if calls.note() == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	w := onPostgres(t, lookable{s})
	w.config.Timeout = 25 * time.Second
	first := w.start()
	ids := w.add("w", "#a")
	w.await(soon, "a call", func() bool { return calls.count() == 1 })
	w.start()
	begin := time.Now()
	first.stop()
	require.Less(t, time.Since(begin), 15*time.Second)
	w.awaitDelivered(5*time.Second, ids...)
	require.Equal(t, 1, s.asked())
}

// TestAKilledServersWorkIsRescued takes as long as that does.
func TestAKilledServersWorkIsRescued(t *testing.T) {
	t.Parallel()
	long(t)
	var calls tally
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	s := &service{after: func(context.Context, *place, notifier.Message) error {
		if calls.note() == 1 {
			<-hang
		}
		return nil
	}}
	w := onPostgres(t, lookable{s})
	first := w.start()
	ids := w.add("w", "#a", "#a")
	w.await(soon, "a call", func() bool { return calls.count() == 1 })
	w.start()
	first.kill()
	begin := time.Now()
	w.awaitDelivered(75*time.Second, ids...)
	t.Log("rescued after", time.Since(begin))
	d := w.get(ids[0])
	require.Equal(t, 1, d.Attempts)
	require.False(t, d.Double)
	require.Equal(t, 1, s.times(ids[0]))
}
