package migrate_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/internal/migrate"
	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/postgres"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

func start() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 123456000, time.UTC) }

func after(seconds int) time.Time { return start().Add(time.Duration(seconds) * time.Second) }

// source is a store on SQLite with some of everything in it.
type source struct {
	*sqlite.Store
	t    *testing.T
	path string
}

func newSource(t *testing.T) *source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notifier.db")
	db, err := sqlite.OpenServer(t.Context(), path)
	require.NoError(t, err)
	s := &source{Store: db, t: t, path: path}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func watch(id string, edits ...func(*store.Watch)) store.Watch {
	w := store.Watch{
		ID: id, Kind: store.Follow, State: store.Active, Attempt: 1, Wait: true, Node: "n0",
		Execution: flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "x-" + id},
		Own:       flyte.ExecutionID{Scope: flyte.Scope{Project: "ml", Domain: "production"}, Name: "own-" + id},
		Custom:    json.RawMessage(`{"n": 9007199254740993}`), Inputs: json.RawMessage(`{ }`), Outputs: []string{"phase"},
		Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", CreatedAt: start(),
	}
	for _, edit := range edits {
		edit(&w)
	}
	return w
}

func delivery(watchID, id string, edits ...func(*store.Delivery)) store.Delivery {
	d := store.Delivery{
		ID: id, Key: "key of " + id, WatchID: watchID, Execution: watch(watchID).Execution, Rule: "failed", Reason: "phase:FAILED",
		Kind: "slack", Connection: "team", Address: "#ml", Destination: json.RawMessage(`{"channel": "#ml"}`), Content: json.RawMessage(`{}`),
		State: store.Pending, NextAt: start(), CreatedAt: start(), Since: start(), Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-01",
	}
	for _, edit := range edits {
		edit(&d)
	}
	return d
}

func lane() store.Lane { return store.Lane{Connection: "team", Address: "#ml"} }

// put stores a watch with deliveries and a phase.
func (s *source) put(w store.Watch, deliveries ...store.Delivery) {
	s.t.Helper()
	w, err := s.Register(s.t.Context(), w)
	require.NoError(s.t, err)
	w.Phase = "FAILED"
	require.NoError(s.t, s.Move(s.t.Context(), store.Transition{
		Watch: w, Change: store.Change{Deliveries: deliveries}, Events: []store.Event{{At: after(1), Kind: "phase", Text: "FAILED"}},
	}))
}

func (s *source) begin(id string, attempts int) {
	s.t.Helper()
	wait, err := s.Begin(s.t.Context(), id, attempts, after(10), []store.Rate{{Bucket: "team", PerSecond: 1, Burst: 100}})
	require.NoError(s.t, err)
	require.Zero(s.t, wait)
}

func (s *source) settle(id string, o store.Outcome) {
	s.t.Helper()
	o.Attempt, o.At = 1, after(11)
	o.Event = store.Event{At: after(11), Kind: string(o.State), Text: id}
	require.NoError(s.t, s.Settle(s.t.Context(), id, o))
}

// fill puts deliveries in every state into the store.
func (s *source) fill() {
	s.put(watch("w1"), delivery("w1", "d1"), delivery("w1", "d2"), delivery("w1", "d3"), delivery("w1", "mail", func(d *store.Delivery) { d.Address = "a@b" }))
	s.begin("d1", 0)
	s.settle("d1", store.Outcome{State: store.Delivered, Receipt: notifier.Receipt{"ts": "1.2"}})
	s.put(watch("w2"), delivery("w2", "open"), delivery("w2", "dead", func(d *store.Delivery) { d.Connection = "other" }))
	s.begin("open", 0)
	s.begin("d2", 0)
	s.settle("d2", store.Outcome{State: store.Pending, NextAt: after(100), LastError: "busy", Hold: after(3600)})
	s.begin("dead", 0)
	s.settle("dead", store.Outcome{State: store.Dead, LastError: "channel_not_found"})
	require.NoError(s.t, s.SetResolved(s.t.Context(), lane(), []byte(`{"id":"C1"}`)))

	// Deliveries that are held, and some of no watch; notes of watches, of a purged one, and of none.
	held := func(d *store.Delivery) {
		d.State, d.Bundle, d.HeldUntil, d.Address = store.Held, "quiet", after(9), "#held"
	}
	require.NoError(s.t, s.Write(s.t.Context(), store.Change{
		Deliveries: []store.Delivery{delivery("w1", "held", held), delivery("group", "g1", held), delivery("group", "g2", func(d *store.Delivery) { d.Address = "#g" })},
		Superseded: []string{"open"},
		Notes: []store.Note{
			{Kind: "progress", Key: "1", WatchID: "w1", Due: after(9), Execution: watch("w1").Execution, Body: json.RawMessage(`{"n": 1}`)},
			{Kind: "progress", Key: "3", WatchID: "w3"},
			{Kind: "silence", Key: "s"},
			{Kind: "progress", Key: "9", WatchID: "w9"},
		},
	}))
	require.NoError(s.t, s.Write(s.t.Context(), store.Change{Notes: []store.Note{{Kind: "silence", Key: "s", Version: 1, Body: json.RawMessage(`{}`)}}}))

	// A watch that was purged before its delivery, and a delivery before its watch.
	s.put(watch("w3"), delivery("w3", "orphan", func(d *store.Delivery) { d.Address = "#x" }))
	s.begin("orphan", 0)
	s.settle("orphan", store.Outcome{State: store.Dead})
	s.end("w3", after(20))
	_, err := s.Purge(s.t.Context(), after(21), start(), 100)
	require.NoError(s.t, err)
	s.put(watch("w4"), delivery("w4", "forgotten", func(d *store.Delivery) {
		d.State, d.SettledAt, d.CreatedAt = store.Dead, start().Add(-time.Hour), start().Add(-time.Hour)
	}))
	_, err = s.Purge(s.t.Context(), start(), start().Add(-time.Minute), 100)
	require.NoError(s.t, err)
}

func (s *source) end(id string, at time.Time) {
	w, err := s.Watch(s.t.Context(), id)
	require.NoError(s.t, err)
	w.State, w.EndedAt = store.Ended, at
	require.NoError(s.t, s.Move(s.t.Context(), store.Transition{Watch: w}))
}

func target(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.OpenServer(t.Context(), postgres.Options{URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// content is all that a store tells of its watches and deliveries.
type content struct {
	Watches    []store.Watch
	Deliveries []store.Delivery
	Events     map[string][]store.Event
	Notes      []store.Note
}

func read(t *testing.T, s store.Store) (c content) {
	t.Helper()
	c.Events = map[string][]store.Event{}
	require.NoError(t, s.Watches(t.Context(), store.Filter{}, func(w store.Watch) error {
		c.Watches = append(c.Watches, w)
		events, err := s.Events(t.Context(), w.ID, 0, 1000)
		c.Events[w.ID] = events
		return err
	}))
	require.NoError(t, s.Deliveries(t.Context(), store.Filter{}, func(d store.Delivery) error {
		c.Deliveries = append(c.Deliveries, d)
		return nil
	}))
	for _, kind := range []string{"progress", "silence"} {
		notes, err := s.AllNotes(t.Context(), kind, "", 100)
		require.NoError(t, err)
		c.Notes = append(c.Notes, notes...)
	}
	slices.SortStableFunc(c.Deliveries, func(a, b store.Delivery) int { return cmp.Compare(a.WatchID, b.WatchID) })
	return c
}

func run(t *testing.T, from *source, url string) migrate.Result {
	t.Helper()
	r, err := migrate.Run(t.Context(), migrate.Options{From: from.path, To: postgres.Options{URL: url}})
	require.NoError(t, err)
	return r
}

func TestEverythingIsCopied(t *testing.T) {
	t.Parallel()
	url, from := pgtest.Database(t), newSource(t)
	from.fill()
	require.NoError(t, from.Close())
	r := run(t, from, url)
	require.Equal(t, migrate.Result{
		Watches: 3, NewWatches: 3, Deliveries: 10, NewDeliveries: 10, Pending: 7, Interrupted: 1, Purged: 1,
	}, r)

	to := target(t, url)
	beside, err := sqlite.Open(t.Context(), from.path)
	require.NoError(t, err)
	defer beside.Close()
	want, got := read(t, beside), read(t, to)
	require.Empty(t, gocmp.Diff(want, got, cmpopts.IgnoreFields(store.Event{}, "Seq"), cmpopts.EquateEmpty()))
	require.Len(t, got.Deliveries, 10)
	require.Len(t, got.Notes, 3)
	bundle, err := to.Held(t.Context(), "quiet", 10)
	require.NoError(t, err)
	require.Len(t, bundle, 2)
	due, err := to.Due(t.Context(), store.Lane{Connection: "team", Address: "#g"}, time.Now(), 10)
	require.NoError(t, err)
	require.Len(t, due, 1)
	require.NoError(t, to.Write(t.Context(), store.Change{At: time.Now(), Superseded: []string{"g2"}}))

	due, err = to.Due(t.Context(), lane(), time.Now(), 10)
	require.NoError(t, err)
	ids := []string{}
	for _, d := range due {
		ids = append(ids, d.ID)
	}
	require.ElementsMatch(t, []string{"d2", "open"}, ids, "d3 waits for its turn")
	for _, d := range due {
		require.Equal(t, d.ID == "open", !d.UnknownAt.IsZero(), d.ID)
	}
	resolved, err := to.Resolved(t.Context(), lane())
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"C1"}`, string(resolved))
	wait, err := to.Begin(t.Context(), "d2", 1, after(200), []store.Rate{{Bucket: "team", PerSecond: 1, Burst: 100}})
	require.NoError(t, err)
	require.Equal(t, 3400*time.Second, wait, "the hold came along")

	// What was purged never comes back.
	w, err := to.Register(t.Context(), watch("w3"))
	require.NoError(t, err)
	require.Equal(t, store.Ended, w.State)
	w, err = to.Watch(t.Context(), "w4")
	require.NoError(t, err)
	require.NoError(t, to.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{delivery("w4", "forgotten")}}}))
	all, err := to.WatchDeliveries(t.Context(), "w4")
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestCopyingTwiceIsCopyingOnce(t *testing.T) {
	t.Parallel()
	url, from := pgtest.Database(t), newSource(t)
	from.fill()
	require.NoError(t, from.Close())
	run(t, from, url)
	to := target(t, url)
	require.NoError(t, to.Write(t.Context(), store.Change{Notes: []store.Note{
		{Kind: "progress", Key: "1", Version: 1, Removed: true}, {Kind: "silence", Key: "s", Version: 2},
	}}))
	_, err := to.Begin(t.Context(), "mail", 0, time.Now(), nil)
	require.NoError(t, err)
	require.NoError(t, to.Settle(t.Context(), "mail", store.Outcome{Attempt: 1, State: store.Delivered, At: time.Now()}))
	before := read(t, to)
	r := run(t, from, url)
	require.Zero(t, r.NewWatches+r.NewDeliveries)
	require.Equal(t, 10, r.Deliveries)
	require.Empty(t, gocmp.Diff(before, read(t, to)), "what went on at the target stays")
}

func TestTheSourceIsGivenUp(t *testing.T) {
	t.Parallel()
	url, from := pgtest.Database(t), newSource(t)
	from.put(watch("w1"), delivery("w1", "d1"))
	_, err := migrate.Run(t.Context(), migrate.Options{From: from.path, To: postgres.Options{URL: url}})
	require.ErrorContains(t, err, "another flyte-notifier serves this store")
	require.NoError(t, from.Close())
	_, err = migrate.Run(t.Context(), migrate.Options{From: from.path, To: postgres.Options{URL: "postgres://u:hunter2@127.0.0.1:1/x"}})
	require.ErrorContains(t, err, "open the target: ")
	require.NotContains(t, err.Error(), "hunter2")
	reopened, err := sqlite.OpenServer(t.Context(), from.path)
	require.NoError(t, err, "nothing was copied, so it can be served")
	require.NoError(t, reopened.Close())

	stop := fmt.Errorf("stopped by the test")
	func() {
		defer func() { require.Equal(t, stop, recover()) }()
		_, _ = migrate.Run(t.Context(), migrate.Options{From: from.path, To: postgres.Options{URL: url}, Progress: func(migrate.Result) { panic(stop) }})
	}()
	_, err = sqlite.OpenServer(t.Context(), from.path)
	require.ErrorContains(t, err, "is being moved to Postgres")
	run(t, from, url)
	_, err = sqlite.OpenServer(t.Context(), from.path)
	require.ErrorContains(t, err, "store "+from.path+" was moved to Postgres by `flyte-notifier migrate`: serve it from there")
	beside, err := sqlite.Open(t.Context(), from.path)
	require.NoError(t, err, "it can still be read")
	require.NoError(t, beside.Close())

	missing := filepath.Join(t.TempDir(), "none.db")
	_, err = migrate.Run(t.Context(), migrate.Options{From: missing, To: postgres.Options{URL: url}})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, missing)
}
