package delivery_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// addOf stores a delivery of some project that tells something for so many times before.
func (w *servers) addOf(project, id string, before int) string {
	w.t.Helper()
	watch := w.watch(id)
	watch.Execution.Scope = flyte.Scope{Project: project, Domain: "production"}
	watch, err := w.store.Register(w.t.Context(), watch)
	require.NoError(w.t, err)
	d := w.delivery(id, "chat", "team", "#a", json.RawMessage(`{"channel": "#a"}`))
	d.WatchID, d.Execution = id, watch.Execution
	d.Key = fmt.Sprintf("%s|r|phase:FAILED|%d|send[0]", id, before)
	require.NoError(w.t, w.store.Move(w.t.Context(), store.Transition{Watch: watch, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	return id
}

// countSent counts what was sent of those whose ids begin so, up to a last one.
func countSent(s *service, prefix, last string) (n int) {
	for _, p := range s.sent() {
		if strings.HasPrefix(p.key, prefix) {
			n++
		}
		if p.key == last {
			break
		}
	}
	return n
}

// behindOnPostgres is two servers for a channel that takes five a second, and so many messages of a project that wait for it,
// all but the first few.
func behindOnPostgres(t *testing.T, s *service, n int, project, id string, before int) *servers {
	t.Helper()
	w := onPostgres(t, s)
	w.conns[0].Rate = notifier.Rate{PerSecond: 5, Burst: 1}
	for i := range n {
		w.addOf(project, fmt.Sprint(id, i), before)
	}
	w.start()
	w.start()
	w.await(time.Minute, "a few", func() bool { return len(s.sent()) > 20 })
	return w
}

// TestServersHaveProjectsTakeTurns has hundreds of messages of one project wait for a channel that takes five a second.
func TestServersHaveProjectsTakeTurns(t *testing.T) {
	t.Parallel()
	s := &service{}
	w := behindOnPostgres(t, s, 500, "noisy", "noisy", 0)
	before := countSent(s, "noisy", "")
	w.addOf("quiet", "quiet", 0)
	w.awaitDelivered(time.Minute, "quiet")
	t.Log(countSent(s, "noisy", "quiet")-before, "of 480 went before one of another project")
	require.Less(t, countSent(s, "noisy", "quiet")-before, 25)
	var ids []string
	for i := range 10 {
		ids = append(ids, w.addOf("quiet", fmt.Sprint("other", i), 0))
	}
	before = countSent(s, "noisy", "")
	w.awaitDelivered(time.Minute, ids...)
	t.Log(countSent(s, "noisy", "")-before, "went before ten")
	require.Less(t, countSent(s, "noisy", "")-before, 100)
}

// TestServersHaveRemindersComeLast has reminders wait when what is new comes.
func TestServersHaveRemindersComeLast(t *testing.T) {
	t.Parallel()
	s := &service{}
	w := behindOnPostgres(t, s, 300, "p", "reminder", 1)
	var ids []string
	for i := range 40 {
		ids = append(ids, w.addOf("p", fmt.Sprint("new", i), 0))
	}
	before := countSent(s, "reminder", "") // adding them may take as long as it likes
	w.awaitDelivered(time.Minute, ids...)
	t.Log(countSent(s, "reminder", "")-before, "reminders went before 40 that are new")
	require.Less(t, countSent(s, "reminder", "")-before, 40)
}
