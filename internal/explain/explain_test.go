package explain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/explain"
	"github.com/flyte-notifier/flyte-notifier/internal/preview"
	"github.com/flyte-notifier/flyte-notifier/notifier/builtin"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

var (
	now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	id  = flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "f1"}
)

// world is a store, and an execution that has been running for an hour.
type world struct {
	t     *testing.T
	store *sqlite.Store
	facts executor.Facts
}

func newWorld(t *testing.T) *world {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "n.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &world{t: t, store: db, facts: executor.Facts{Execution: flyte.Execution{
		ID: id, Phase: "RUNNING", Workflow: "train", User: "ada",
		CreatedAt: now.Add(-70 * time.Minute), StartedAt: now.Add(-time.Hour),
	}}}
}

// rules are those of a task, or of subscriptions.
func (w *world) rules(content string) []preview.Rule {
	f, err := preview.Read([]byte(content), nil, builtin.Registry(io.Discard))
	require.NoError(w.t, err)
	return f.Rules
}

func (w *world) register(watch, content string) store.Watch {
	custom := json.RawMessage(content)
	if content != "" && !strings.HasPrefix(content, "{") {
		var task spec.Task
		for _, r := range w.rules(content) {
			task.Rules = append(task.Rules, r.Rule)
		}
		var err error
		custom, err = json.Marshal(task)
		require.NoError(w.t, err)
	}
	made, err := w.store.Register(w.t.Context(), store.Watch{
		ID: watch, Kind: store.Follow, State: store.Active, Execution: id, CreatedAt: now, Custom: custom,
	})
	require.NoError(w.t, err)
	return made
}

func (w *world) note(n store.Note) {
	require.NoError(w.t, w.store.Write(w.t.Context(), store.Change{At: now, Notes: []store.Note{n}}))
}

func (w *world) ask(q explain.Question) (found []explain.Finding, text string, err error) {
	q.Execution = id
	found, err = explain.Sources{Store: w.store, Now: func() time.Time { return now }, Facts: func(context.Context, flyte.ExecutionID, string, ...spec.Rule) (executor.Facts, error) {
		return w.facts, nil
	}}.Ask(w.t.Context(), q)
	var out bytes.Buffer
	explain.Print(&out, found, now)
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(w.t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 100, line)
		require.Equal(w.t, strings.TrimRight(line, " \n")+"\n", line)
	}
	return found, out.String(), err
}

const slow = `rules: [{name: slow, when: {running_for: 30m}, send: [{stdout: {}}], repeat: {every: 1h, max: 3}, escalate: [{after: 2h, send: [{stdout: {}}]}]}, {name: other, when: {phase: [FAILED]}, send: [{stdout: {}}]}]`

func TestEveryWatchIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("w1", slow)
	w.register("w2", slow)
	w.note(store.Note{Kind: "progress", Key: "w2", WatchID: "w2", Execution: id, Body: json.RawMessage(
		`{"":{"slow|running_for:30m0s":{"at":"2026-11-22T02:30:00Z","n":1,"next":"2026-11-22T03:10:00Z"}}}`)})
	found, text, err := w.ask(explain.Question{Rule: "slow"})
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, `rule slow for ml/production/f1
  phase    RUNNING, workflow train, started 2026-11-22T02:00:00Z
  watch    w1, active
  verdict  fires: a server tells it when it looks
  when     running_for: 30m0s
           started 2026-11-22T02:00:00Z, runs for 1h0m0s, holds for 30m0s since 2026-11-22T02:30:00Z
  told     nothing yet

rule slow for ml/production/f1
  phase    RUNNING, workflow train, started 2026-11-22T02:00:00Z
  watch    w2, active
  verdict  told: the next reminder or escalation is at 2026-11-22T03:10:00Z
  when     running_for: 30m0s
           started 2026-11-22T02:00:00Z, runs for 1h0m0s, holds for 30m0s since 2026-11-22T02:30:00Z
  told     running_for:30m0s at 2026-11-22T02:30:00Z
             1 of 3 reminders, the next in 10m0s at 2026-11-22T03:10:00Z
             0 of 1 escalations, the next in 1h30m0s at 2026-11-22T04:30:00Z
             not acknowledged
`, text)
	found, _, err = w.ask(explain.Question{Rule: "slow", Watch: "w2"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	line := found[0].Line()
	require.Equal(t, "told", line.Verdict)
	require.Equal(t, now.Add(10*time.Minute), *line.Told[0].NextReminder)
	require.Nil(t, line.Told[0].AcknowledgedAt)
}

func TestAWatchThatWasCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("w1", slow)
	require.NoError(t, w.store.Cancel(t.Context(), "w1", 0, "its task was aborted", now))
	_, _, err := w.ask(explain.Question{Rule: "slow"})
	require.ErrorContains(t, err, "execution ml/production/f1 has no watches")
	_, text, err := w.ask(explain.Question{Rule: "slow", Watch: "w1"})
	require.NoError(t, err)
	require.Contains(t, text, "  watch    w1, cancelled (its task was aborted): its rules do not fire any more\n")
}

func TestASpecThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("w1", `{"rules": 3}`)
	_, _, err := w.ask(explain.Question{Rule: "slow"})
	require.ErrorContains(t, err, "watch w1: read spec: ")
}

func TestARuleThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("w1", `{"rules": [{"name": "slow", "when": {"kind": "running_for", "for": 60}}, {"name": "nightly", "when": {"kind": "deadline", "deadline": {"daily": "06:00 Mars/Olympus"}}}]}`)
	_, _, err := w.ask(explain.Question{Rule: "nightly"})
	require.EqualError(t, err, `watch w1: rule "nightly" cannot be read: unknown time zone "Mars/Olympus", must be one such as Europe/Paris, so it never fires`)
	_, text, err := w.ask(explain.Question{Rule: "slow"})
	require.NoError(t, err, "the others are explained")
	require.Contains(t, text, "rule slow for ml/production/f1\n")
}

func TestASubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := explain.Question{Rule: "s/long", Subscriptions: w.rules(`
admin: {endpoint: "dns:///x:81"}
subscriptions: [{name: s, match: {user: "a*"}, rules: [{name: long, when: {running_for: 30m}, send: [{stdout: {}}]}]}]`)}
	_, text, err := w.ask(q)
	require.NoError(t, err)
	require.Contains(t, text, "  verdict  fires: ")
	w.note(store.Note{Kind: "subscription", Key: "s", Body: json.RawMessage(`{"born":"2026-11-22T02:30:00Z"}`)})
	found, text, err := w.ask(q)
	require.NoError(t, err)
	require.Contains(t, text, "not selected: it was created 2026-11-22T01:50:00Z, before the subscription was first\n             loaded 2026-11-22T02:30:00Z\n")
	require.Equal(t, "unselected", found[0].Line().Verdict)

	w.facts.Execution.CreatedAt = now.Add(-20 * time.Minute)
	w.register("w9", "")
	found, _, err = w.ask(q)
	require.NoError(t, err)
	require.Equal(t, "w9", found[0].Watch.ID, "though it has told nothing")
	w.note(store.Note{Kind: "progress", Key: "w9", WatchID: "w9", Execution: id, Body: json.RawMessage(`{"subscription s of 1795401000000000":{"long|running_for:30m0s":{"at":"2026-11-22T02:45:00Z"}}}`)})
	found, _, err = w.ask(q)
	require.NoError(t, err)
	require.Equal(t, executor.VerdictTells, found[0].Verdict)
}

// Two rules of one name in a task and in a subscription keep their messages apart.
func TestDeliveriesOfTheRuleAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watch := w.register("w1", slow)
	move := store.Transition{Watch: watch, Change: store.Change{At: now}}
	for i, key := range []string{"w1|f1|slow|running_for:30m0s|0|send[0]", "w1|f1|slow|running_for:30m0s|2|send[0]", "w1|f1|slow|running_for:30m0s|0|escalate[0].send[0]", "w1|f1|other|phase:FAILED|0|send[0]", "subscription s of 5|f1|slow|running_for:30m0s|0|send[0]"} {
		move.Deliveries = append(move.Deliveries, store.Delivery{
			ID: "d" + string(rune('0'+i)), Key: key, WatchID: "w1", Execution: id, Rule: strings.Split(key, "|")[2], Reason: "running_for:30m0s",
			Kind: "stdout", Address: "stdout", Destination: json.RawMessage(`{}`), Content: json.RawMessage(`{}`), State: store.Pending, NextAt: now, CreatedAt: now, Since: now,
		})
	}
	require.NoError(t, w.store.Move(t.Context(), move))
	found, text, err := w.ask(explain.Question{Rule: "slow"})
	require.NoError(t, err)
	require.Len(t, found[0].Deliveries, 3)
	require.Equal(t, executor.VerdictTells, found[0].Verdict, "known by its deliveries")
	require.Contains(t, text, `
             pending    2026-11-22T03:00:00Z d0  stdout
             pending    2026-11-22T03:00:00Z d1  stdout, reminder 2
             pending    2026-11-22T03:00:00Z d2  stdout, escalation
`)
	require.Len(t, found[0].Line().Deliveries, 3)
}
