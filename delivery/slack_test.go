package delivery_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// wire carries calls to a simulated Slack within a synctest bubble, where a connection would stop the clock, and
// notes when it refused one for its rate.
type wire struct {
	sim     *slacksim.Sim
	refused tally
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	w.sim.ServeHTTP(answer, r)
	if answer.Code == http.StatusTooManyRequests {
		w.refused.note()
	}
	return answer.Result(), r.Context().Err()
}

// toSlack makes the bench's connection one to a simulated Slack, with the rate that is Slack's by default.
func (b *bench) toSlack(w *wire) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "token")
	require.NoError(b.t, os.WriteFile(file, []byte(slacksim.DefaultToken), 0o600))
	n, err := slack.New(slack.Config{Token: notifier.Secret{File: file}}, &http.Client{Transport: w})
	require.NoError(b.t, err)
	b.registry = notifier.NewRegistry(slack.Manifest())
	b.conns = []*notifier.Connection{{Name: "team", Kind: slack.Kind, Notifier: n, Rate: slack.Manifest().Rate}}
}

// wait stores n deliveries to a channel of Slack, each of a watch of its own.
func (b *bench) wait(channel string, n int) {
	for i := range n {
		id := fmt.Sprintf("%s-%d", channel, i)
		w, err := b.store.Register(b.t.Context(), store.Watch{ID: id, Kind: store.Follow, State: store.Active, CreatedAt: time.Now().UTC()})
		require.NoError(b.t, err)
		d := b.delivery(w, id, channel)
		d.Kind, d.Destination = slack.Kind, json.RawMessage(`{"channel": "`+channel+`"}`)
		require.NoError(b.t, b.store.Move(b.t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	}
}

// A thousand messages wait for one channel of a Slack that takes one a second and not a millisecond earlier, and
// some for another. All arrive, none is refused, no second is wasted, whatever restarts meanwhile; and over a queue,
// however many servers send.
func TestABacklogForSlackProvokesNoRefusal(t *testing.T) {
	long(t)
	const busy, quiet = 1000, 20
	w := &wire{sim: slacksim.New(slacksim.Options{Channels: []slacksim.Channel{{ID: "C1", Name: "busy"}, {ID: "C2", Name: "quiet"}}})}
	t.Cleanup(w.sim.Close)
	w.sim.Limit(time.Second)
	run(t, nil, func(b *bench) {
		b.toSlack(w)
		b.wait("C1", busy)
		b.wait("C2", quiet)
		begin := time.Now()
		b.start()
		if b.queue != nil {
			b.start()
		}
		b.pass(100*time.Second + 300*time.Millisecond)
		b.halt()
		b.start()
		b.pass(18 * time.Minute)
		require.Zero(b.t, w.refused.count())
		require.Len(b.t, w.sim.Messages("C2"), quiet)
		sent := w.sim.Messages("C1")
		require.Len(b.t, sent, busy)
		require.Equal(b.t, busy, distinct(sent))
		last := sent[busy-1].Posted.Sub(begin)
		require.GreaterOrEqual(b.t, last, (busy-1)*time.Second)
		require.Less(b.t, last, busy*time.Second*11/10)
		require.Less(b.t, w.sim.Messages("C2")[quiet-1].Posted.Sub(begin), quiet*time.Second*3/2, "a channel waits for no other")
	})
}

// distinct is how many messages are not the same as another.
func distinct(all []slacksim.Message) int {
	var texts []string
	for _, m := range all {
		texts = append(texts, string(m.Metadata))
	}
	slices.Sort(texts)
	return len(slices.Compact(texts))
}
