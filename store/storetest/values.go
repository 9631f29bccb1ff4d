package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

func valueCases() []testCase {
	return []testCase{
		{"times come back in UTC", valueTimes},
		{"texts of any letters come back", valueTexts},
		{"texts that are none do no harm", valueBroken},
		{"large texts come back", valueLarge},
		{"traces come back", valueTraces},
		{"texts are values, never statements", valueQuotes},
	}
}

func valueTimes(t *testing.T, s store.Store) {
	for i, when := range []time.Time{
		start(),
		time.Unix(0, 0),
		time.Unix(1, 1000),
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
		start().In(time.FixedZone("east", 5*3600+1800)),
	} {
		id := numbered("t", i+1)[i]
		w := register(t, s, watch(id, func(w *store.Watch) { w.CreatedAt, w.Missing, w.EndedAt = when, when, when }))
		d := delivery(id, id, func(d *store.Delivery) {
			d.CreatedAt, d.NextAt, d.OpenedAt, d.UnknownAt, d.SettledAt, d.Since = when, when, when, when, when, when
		})
		said := []store.Event{{At: when, Kind: "phase"}}
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}, Events: said}))

		w, d = readWatch(t, s, id), readDelivery(t, s, id)
		for _, got := range []time.Time{
			w.CreatedAt, w.Missing, w.EndedAt,
			d.CreatedAt, d.NextAt, d.OpenedAt, d.UnknownAt, d.SettledAt, d.Since, events(t, s, id)[1].At,
		} {
			require.True(t, when.Equal(got), "%s came back as %s", when, got)
			require.Equal(t, time.UTC, got.Location())
		}
	}
	insert(t, s, "zero", delivery("zero", "zero", at(time.Time{}), func(d *store.Delivery) { d.CreatedAt, d.Since = time.Time{}, time.Time{} }))
	d := readDelivery(t, s, "zero")
	for _, got := range []time.Time{d.CreatedAt, d.NextAt, d.OpenedAt, d.UnknownAt, d.SettledAt} {
		require.True(t, got.IsZero())
	}
	require.Contains(t, dueIDs(t, s, lane(), start(), 100), "zero", "what says no time is due at once")
}

// everywhere puts a text where texts go, and returns the watch and delivery that came back.
func everywhere(t *testing.T, s store.Store, id, text string) (store.Watch, store.Delivery, []store.Event) {
	t.Helper()
	w := register(t, s, watch(id, func(w *store.Watch) {
		w.Execution.Project, w.Execution.Name, w.Node, w.Own.Name = text, text, text, text
		w.Reason, w.Phase, w.Outputs = text, text, []string{text, text}
	}))
	d := delivery(id, id, func(d *store.Delivery) {
		d.Rule, d.Reason, d.Address, d.Connection, d.LastError, d.RenderError, d.Over = text, text, text, text, text, text, text
		d.Receipt = notifier.Receipt{"ts": text}
	})
	said := []store.Event{{At: start(), Kind: "phase", Text: text}}
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}, Events: said}))
	return readWatch(t, s, id), readDelivery(t, s, id), events(t, s, id)
}

func checkEverywhere(t *testing.T, s store.Store, id, text string) {
	t.Helper()
	w, d, line := everywhere(t, s, id, text)
	for _, got := range []string{
		w.Execution.Project, w.Execution.Name, w.Node, w.Own.Name, w.Reason, w.Phase, w.Outputs[1],
		d.Rule, d.Reason, d.Address, d.Connection, d.LastError, d.RenderError, d.Over, d.Receipt["ts"], line[1].Text,
	} {
		require.True(t, text == got, "a text of %d bytes came back as one of %d", len(text), len(got))
	}
	found, err := s.ByName(t.Context(), w.Execution.Scope, time.Time{}, []string{text})
	require.NoError(t, err)
	require.Equal(t, []string{id}, watchIDs(found))
	require.Equal(t, []string{id}, dueIDs(t, s, store.Lane{Connection: text, Address: text}, start(), 10))
	require.NoError(t, s.SetResolved(t.Context(), store.Lane{Connection: text, Address: text}, []byte(text)))
	value, err := s.Resolved(t.Context(), store.Lane{Connection: text, Address: text})
	require.NoError(t, err)
	require.True(t, text == string(value))
}

func valueTexts(t *testing.T, s store.Store) {
	for i, text := range []string{"a", " x ", "Grüße, 世界 🚀 \u202e", "line\nline\ttab\r\n", "\ufffd\ufeff", "0", "1e5", "null", "{}"} {
		checkEverywhere(t, s, numbered("t", i+1)[i], text)
	}
}

// valueBroken does not ask for the bytes back: an engine may put a mark where a byte is no letter.
func valueBroken(t *testing.T, s store.Store) {
	for i, text := range []string{"nul \x00 in it", "\xff\xfe not utf-8", "half \xe4\xb8"} {
		id := numbered("t", i+1)[i]
		w := register(t, s, watch(id))
		w.Reason, w.Phase = text, "FAILED"
		d := delivery(id, id, func(d *store.Delivery) { d.Reason, d.Receipt = text, notifier.Receipt{"ts": text} })
		said := []store.Event{{At: start(), Kind: "error", Text: text}}
		require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}, Events: said}))
		begin(t, s, id, 0, start())
		require.NoError(t, s.Write(t.Context(), store.Change{At: start(), Superseded: []string{id}, Why: text}))
		require.NotEmpty(t, readDelivery(t, s, id).Over)
		record(t, s, id, store.Outcome{State: store.Pending, NextAt: start(), At: start(), LastError: text})

		require.NotEmpty(t, readWatch(t, s, id).Reason)
		require.NotEmpty(t, readDelivery(t, s, id).LastError)
		require.NotEmpty(t, events(t, s, id)[1].Text)
		require.NoError(t, s.Cancel(t.Context(), id, 0, text, start()))
	}
	require.Len(t, listDeliveries(t, s, store.Filter{}), 3)
}

func valueLarge(t *testing.T, s store.Store) {
	text := strings.Repeat("0123456789abcdé\n", 1<<16)
	w := register(t, s, watch("w", func(w *store.Watch) {
		w.Custom = json.RawMessage(`{"x":"` + strings.Repeat("y", 1<<20) + `"}`)
	}))
	w.Reason = text
	d := delivery("d", "w", func(d *store.Delivery) { d.LastError, d.Content = text, w.Custom })
	said := []store.Event{{At: start(), Kind: "error", Text: text}}
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}, Events: said}))
	require.True(t, text == readWatch(t, s, "w").Reason)
	require.Len(t, readWatch(t, s, "w").Custom, len(w.Custom))
	require.True(t, text == readDelivery(t, s, "d").LastError)
	require.Len(t, readDelivery(t, s, "d").Content, len(w.Custom))
	require.True(t, text == events(t, s, "w")[1].Text)
}

func valueTraces(t *testing.T, s store.Store) {
	const called, moved = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
	w := register(t, s, watch("w", func(w *store.Watch) { w.Trace = called }))
	require.Equal(t, called, w.Trace)
	d := delivery("d", "w", func(d *store.Delivery) { d.Trace = moved })
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	require.Equal(t, called, readWatch(t, s, "w").Trace)
	register(t, s, watch("w", func(w *store.Watch) { w.Trace, w.Attempt = moved, 1 }))
	require.Equal(t, called, readWatch(t, s, "w").Trace, "it stays that of the first call")
	equal(t, d, readDelivery(t, s, "d"))
	due, err := s.Due(t.Context(), lane(), start(), 1)
	require.NoError(t, err)
	require.Equal(t, moved, due[0].Trace)
	found, err := s.ByName(t.Context(), scope(), time.Time{}, []string{"x-w"})
	require.NoError(t, err)
	require.Equal(t, called, found[0].Trace)
}

func valueQuotes(t *testing.T, s store.Store) {
	for i, text := range []string{`'; DROP TABLE watches; --`, `"`, `\`, `%_`, `?1 :a @b $1`} {
		checkEverywhere(t, s, numbered("q", i+1)[i], text)
	}
	id := `x' OR '1'='1`
	register(t, s, watch(id))
	require.Equal(t, id, readWatch(t, s, id).ID)
	_, err := s.Watch(t.Context(), `' OR '1'='1`)
	require.ErrorIs(t, err, store.ErrNotFound)
}
