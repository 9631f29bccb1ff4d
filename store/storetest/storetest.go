// Package storetest is what every engine behind the store's ports must do. An engine's own test
// calls Run, and tests besides only what is its own: its files, its faults, its speed.
package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// testCase is one thing that an engine must do, shown on an empty store.
type testCase struct {
	name string
	run  func(t *testing.T, s store.Store)
}

// Run tests an engine. open returns a new, empty store, and closes it when its test ends. An engine
// that is a store.Queue is one of several servers: it is tested as that where the ports differ.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	groups := map[string][]testCase{
		"registry":   registryCases(),
		"feed":       feedCases(),
		"shards":     shardCases(),
		"membership": membershipCases(),
		"move":       moveCases(),
		"notes":      noteCases(),
		"supersede":  supersedeCases(),
		"held":       heldCases(),
		"remark":     remarkCases(),
		"unwatched":  unwatchedCases(),
		"outbox":     outboxCases(),
		"attempt":    attemptCases(),
		"bucket":     bucketCases(),
		"hold":       holdCases(),
		"ledger":     ledgerCases(),
		"purge":      purgeCases(),
		"values":     valueCases(),
		"races":      raceCases(),
		"closed":     closedCases(),
	}
	for group, cases := range groups {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, open(t))
				})
			}
		})
	}
	t.Run("model", func(t *testing.T) {
		t.Parallel()
		runModels(t, open)
	})
}

// start is when everything begins. Engines keep microseconds at least.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC) }

// after is a time so many seconds past start.
func after(seconds int) time.Time { return start().Add(time.Duration(seconds) * time.Second) }

func scope() flyte.Scope { return flyte.Scope{Project: "ml", Domain: "production"} }

func execution(name string) flyte.ExecutionID { return flyte.ExecutionID{Scope: scope(), Name: name} }

// watch is an Active watch on execution "x-ID", with every field set that a new one can have.
func watch(id string, edits ...func(*store.Watch)) store.Watch {
	w := store.Watch{
		ID:        id,
		Kind:      store.Follow,
		State:     store.Active,
		Execution: execution("x-" + id),
		Custom:    json.RawMessage(`{"rules":[{"name":"failed"}]}`),
		Inputs:    json.RawMessage(`{"n":9007199254740993}`),
		Outputs:   []string{"phase", "deliveries"},
		Version:   1,
		CreatedAt: start(),
	}
	for _, edit := range edits {
		edit(&w)
	}
	return w
}

// delivery is a Pending delivery, due at once, of the lane slack #ml.
func delivery(id, watchID string, edits ...func(*store.Delivery)) store.Delivery {
	d := store.Delivery{
		ID:          id,
		Key:         watchID + "/failed/phase:FAILED/0/send[0]/" + id,
		WatchID:     watchID,
		Execution:   execution("x-" + watchID),
		Rule:        "failed",
		Reason:      "phase:FAILED",
		Kind:        "slack",
		Connection:  "team",
		Destination: json.RawMessage(`{"channel":"#ml"}`),
		Address:     "#ml",
		Content:     json.RawMessage(`{"Template":{},"Data":{"Name":"x"}}`),
		State:       store.Pending,
		NextAt:      start(),
		CreatedAt:   start(),
		Since:       start(),
	}
	for _, edit := range edits {
		edit(&d)
	}
	return d
}

// to changes a delivery's lane.
func to(connection, address string) func(*store.Delivery) {
	return func(d *store.Delivery) { d.Connection, d.Address = connection, address }
}

// at changes when a delivery is due.
func at(next time.Time) func(*store.Delivery) {
	return func(d *store.Delivery) { d.NextAt = next }
}

// settled makes a delivery one that never was Pending.
func settled(state store.DeliveryState, when time.Time) func(*store.Delivery) {
	return func(d *store.Delivery) { d.State, d.SettledAt = state, when }
}

func lane() store.Lane { return store.Lane{Connection: "team", Address: "#ml"} }

func register(t *testing.T, s store.Store, w store.Watch) store.Watch {
	t.Helper()
	stored, err := s.Register(t.Context(), w)
	require.NoError(t, err)
	return stored
}

func readWatch(t *testing.T, s store.Store, id string) store.Watch {
	t.Helper()
	w, err := s.Watch(t.Context(), id)
	require.NoError(t, err)
	return w
}

// insert registers a watch if need be, and moves it with these deliveries.
func insert(t *testing.T, s store.Store, watchID string, deliveries ...store.Delivery) {
	t.Helper()
	w := register(t, s, watch(watchID))
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: deliveries}}))
}

// readDelivery finds one delivery by its id.
func readDelivery(t *testing.T, s store.Store, id string) store.Delivery {
	t.Helper()
	all := listDeliveries(t, s, store.Filter{IDs: []string{id}})
	require.Len(t, all, 1, "delivery %s", id)
	return all[0]
}

func listDeliveries(t *testing.T, s store.Store, f store.Filter) []store.Delivery {
	t.Helper()
	var all []store.Delivery
	require.NoError(t, s.Deliveries(t.Context(), f, func(d store.Delivery) error {
		all = append(all, d)
		return nil
	}))
	return all
}

func listWatches(t *testing.T, s store.Store, f store.Filter) []store.Watch {
	t.Helper()
	var all []store.Watch
	require.NoError(t, s.Watches(t.Context(), f, func(w store.Watch) error {
		all = append(all, w)
		return nil
	}))
	return all
}

func deliveryIDs(all []store.Delivery) []string {
	ids := make([]string, 0, len(all))
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids
}

func watchIDs(all []store.Watch) []string {
	ids := make([]string, 0, len(all))
	for _, w := range all {
		ids = append(ids, w.ID)
	}
	return ids
}

// dueIDs returns what Due has for the lane.
func dueIDs(t *testing.T, s store.Store, l store.Lane, now time.Time, limit int) []string {
	t.Helper()
	all, err := s.Due(t.Context(), l, now, limit)
	require.NoError(t, err)
	return deliveryIDs(all)
}

func events(t *testing.T, s store.Store, watchID string) []store.Event {
	t.Helper()
	all, err := s.Events(t.Context(), watchID, 0, 1000)
	require.NoError(t, err)
	return all
}

func kinds(all []store.Event) []string {
	out := make([]string, 0, len(all))
	for _, e := range all {
		out = append(out, e.Kind)
	}
	return out
}

// begin starts an attempt without limits, and fails the test when it may not.
func begin(t *testing.T, s store.Store, id string, attempts int, now time.Time, rates ...store.Rate) {
	t.Helper()
	wait, err := s.Begin(t.Context(), id, attempts, now, rates)
	require.NoError(t, err)
	require.Zero(t, wait)
}

// settle ends the delivery in this state.
func settle(t *testing.T, s store.Store, id string, state store.DeliveryState, when time.Time) {
	t.Helper()
	o := store.Outcome{State: state, At: when, NextAt: when}
	if state == store.Delivered {
		o.Receipt = notifier.Receipt{"ts": "1.2"}
	}
	record(t, s, id, o)
}

// record settles the attempt that is open, or none where none is.
func record(t *testing.T, s store.Store, id string, o store.Outcome) {
	t.Helper()
	if d := readDelivery(t, s, id); !d.OpenedAt.IsZero() {
		o.Attempt = d.Attempts
	}
	require.NoError(t, s.Settle(t.Context(), id, o))
}

// equal compares rows; nil and empty are the same, since no engine must tell them apart.
func equal(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		require.Fail(t, "rows differ (-want +got)", diff)
	}
}

// numbered are ids that sort in their order: p000, p001, ...
func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return ids
}
