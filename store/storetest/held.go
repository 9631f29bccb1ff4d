package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

func heldCases() []testCase {
	return []testCase{
		{"what is held is not sent and holds up nothing", heldWaits},
		{"bundles come by time, and their deliveries in order", heldBundles},
		{"what is released is due, and takes its place", heldReleased},
		{"a release of what is not held writes nothing", heldConflicts},
		{"of many that release a bundle one does", heldRaces},
		{"what is held may be superseded", heldSuperseded},
		{"what is held is not purged, nor is its watch", heldPurged},
		{"what is held is pending in tables", heldListed},
		{"deliveries are found by their ids", heldFound},
	}
}

// held makes a delivery one that waits with a bundle.
func held(bundle string, until time.Time) func(*store.Delivery) {
	return func(d *store.Delivery) { d.State, d.Bundle, d.HeldUntil = store.Held, bundle, until }
}

func release(t *testing.T, s store.Store, when time.Time, ids ...string) {
	t.Helper()
	c := store.Change{At: when}
	for _, id := range ids {
		c.Released = append(c.Released, store.Release{ID: id})
	}
	require.NoError(t, s.Write(t.Context(), c))
}

func heldWaits(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("h", "w", held("quiet", after(50))), delivery("next", "w"))
	equal(t, delivery("h", "w", held("quiet", after(50))), readDelivery(t, s, "h"))
	require.False(t, readDelivery(t, s, "h").State.Settled())
	require.Equal(t, []string{"next"}, dueIDs(t, s, lane(), after(100), 10))
	settle(t, s, "next", store.Dead, after(1))
	require.Empty(t, dueIDs(t, s, lane(), after(100), 10))
	require.Empty(t, lanes(t, s, after(100)))
	require.True(t, nextAt(t, s, time.Time{}).IsZero())
	require.True(t, oldestDue(t, s, after(100)).IsZero())
	_, err := s.Begin(t.Context(), "h", 0, after(100), nil)
	require.ErrorIs(t, err, store.ErrConflict)
	require.ErrorIs(t, s.Settle(t.Context(), "h", store.Outcome{State: store.Dead, At: after(1)}), store.ErrConflict)
	refused, err := s.Redrive(t.Context(), []string{"h", "next"}, after(1))
	require.NoError(t, err)
	require.Equal(t, map[string]store.DeliveryState{"h": store.Held}, refused)
	require.Equal(t, []string{"next"}, dueIDs(t, s, lane(), after(1), 10))
	insert(t, s, "w", delivery("h", "w"))
	require.Equal(t, store.Held, readDelivery(t, s, "h").State, "its id was there")
	_, counted, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[store.DeliveryState]int{store.Held: 1, store.Pending: 1}, counted)
}

func heldBundles(t *testing.T, s store.Store) {
	next := func() time.Time {
		t.Helper()
		when, err := s.NextBundle(t.Context())
		require.NoError(t, err)
		return when
	}
	due := func(now time.Time, limit int) []string {
		t.Helper()
		all, err := s.Bundles(t.Context(), now, limit)
		require.NoError(t, err)
		return all
	}
	require.True(t, next().IsZero())
	require.Empty(t, due(after(99), 10))
	insert(t, s, "w", delivery("1", "w", held("b", after(5))), delivery("2", "w", held("z", after(7))), delivery("never", "w", held("n", time.Time{})))
	insert(t, s, "v", delivery("3", "v", held("b", after(3))), delivery("4", "v", held("c", after(7)), to("mail", "x")), delivery("5", "v", held("b", after(90))))
	insert(t, s, "v", delivery("0", "v", func(d *store.Delivery) { d.Bundle, d.HeldUntil = "b", after(1) }))
	require.True(t, after(3).Equal(next()))
	require.Equal(t, time.UTC, next().Location())
	require.Empty(t, due(after(2), 10))
	require.Equal(t, []string{"b"}, due(after(3), 10))
	require.Equal(t, []string{"b", "z", "c"}, due(after(7), 10))
	require.Equal(t, []string{"b", "z"}, due(after(7), 2))
	require.Empty(t, due(after(7), 0))
	require.Empty(t, due(after(7), -1))
	of := func(bundle string, limit int) []string {
		t.Helper()
		all, err := s.Held(t.Context(), bundle, limit)
		require.NoError(t, err)
		return deliveryIDs(all)
	}
	require.Equal(t, []string{"1", "3", "5"}, of("b", 10))
	require.Equal(t, []string{"1", "3"}, of("b", 2))
	require.Equal(t, []string{"never"}, of("n", 2))
	require.Empty(t, of("", 10))
	require.Empty(t, of("b", 0))
	release(t, s, after(8), "1", "3", "5")
	require.Empty(t, of("b", 10))
	require.Equal(t, []string{"z", "c"}, due(after(99), 10))
	require.True(t, after(7).Equal(next()))
}

func heldReleased(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("h1", "w", held("q", after(5))), delivery("p", "w", at(after(30))), delivery("h2", "w", held("q", after(5))))
	content := json.RawMessage(`{"Data": "a digest of 2"}`)
	require.NoError(t, s.Write(t.Context(), store.Change{
		At: after(9), Notes: []store.Note{note("a")}, Released: []store.Release{{ID: "h2"}, {ID: "h1", Content: content}},
	}))
	want := delivery("h1", "w", held("q", after(5)), at(after(9)), func(d *store.Delivery) { d.State, d.Since, d.Content = store.Pending, after(9), content })
	equal(t, want, readDelivery(t, s, "h1"))
	want = delivery("h2", "w", held("q", after(5)), at(after(9)), func(d *store.Delivery) { d.State, d.Since = store.Pending, after(9) })
	equal(t, want, readDelivery(t, s, "h2"))
	line := events(t, s, "w")
	require.Equal(t, []string{store.EventRegistered, store.EventReleased, store.EventReleased}, kinds(line))
	require.Equal(t, store.ReleasedEvent("slack", "#ml", after(9)).Text, line[1].Text)
	for _, id := range []string{"h1", "p", "h2"} {
		require.Equal(t, []string{id}, dueIDs(t, s, lane(), after(30), 10), "they go in the order of their creation")
		begin(t, s, id, 0, after(30))
		settle(t, s, id, store.Delivered, after(30))
	}
}

func heldConflicts(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("h", "w", held("q", after(5))), delivery("p", "w"), delivery("dead", "w", settled(store.Dead, after(1))))
	before := listDeliveries(t, s, store.Filter{})
	for _, id := range []string{"p", "dead", "nobody"} {
		err := s.Write(t.Context(), store.Change{At: after(9), Released: []store.Release{{ID: "h"}, {ID: id}}, Notes: []store.Note{note("a")}, Superseded: []string{"p"}})
		require.ErrorIs(t, err, store.ErrConflict, id)
		require.ErrorContains(t, err, id)
	}
	equal(t, before, listDeliveries(t, s, store.Filter{}))
	require.Empty(t, readNotes(t, s, "progress", "a"))
	require.Equal(t, []string{store.EventRegistered}, kinds(events(t, s, "w")))
	release(t, s, after(9), "h")
	require.ErrorIs(t, s.Write(t.Context(), store.Change{At: after(9), Released: []store.Release{{ID: "h"}}}), store.ErrConflict, "once")
}

func heldRaces(t *testing.T, s store.Store) {
	const bundles, each = 5, 4
	for b := range bundles {
		for i := range each {
			id := fmt.Sprintf("%d-%d", b, i)
			insert(t, s, "w-"+id, delivery(id, "w-"+id, held(fmt.Sprint(b), after(5))))
		}
	}
	var won [bundles]atomic.Int32
	together(t, 60, func(n int) error {
		b := n % bundles
		c := store.Change{At: after(9), Notes: []store.Note{note(fmt.Sprint("n", n))}}
		for i := range each {
			c.Released = append(c.Released, store.Release{ID: fmt.Sprintf("%d-%d", b, (i+n)%each)})
		}
		c.Deliveries = []store.Delivery{delivery(fmt.Sprint("digest", n), "bundle")}
		err := s.Write(t.Context(), c)
		if err == nil {
			won[b].Add(1)
		}
		if errors.Is(err, store.ErrConflict) {
			return nil
		}
		return err
	})
	for b := range bundles {
		require.EqualValues(t, 1, won[b].Load())
	}
	notes, err := s.AllNotes(t.Context(), "progress", "", 100)
	require.NoError(t, err)
	require.Len(t, notes, bundles)
	require.Len(t, listDeliveries(t, s, store.Filter{}), bundles*(each+1))
	require.Len(t, dueIDs(t, s, lane(), after(9), 100), bundles*each+1)
}

func heldSuperseded(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("h", "w", held("q", after(5))), delivery("p", "w"), delivery("both", "w", held("q", after(5))))
	supersede(t, s, after(3), "h")
	equal(t, delivery("h", "w", held("q", after(5)), settled(store.Superseded, after(3))), readDelivery(t, s, "h"))
	require.Equal(t, []string{"p"}, dueIDs(t, s, lane(), after(9), 10))
	require.ErrorIs(t, s.Write(t.Context(), store.Change{At: after(9), Released: []store.Release{{ID: "h"}}}), store.ErrConflict)
	require.NoError(t, s.Write(t.Context(), store.Change{At: after(4), Released: []store.Release{{ID: "both"}}, Superseded: []string{"both"}}))
	require.Equal(t, store.Superseded, readDelivery(t, s, "both").State)
	require.Equal(t, []string{"p"}, dueIDs(t, s, lane(), after(9), 10))
	require.Equal(t, []string{store.EventRegistered, store.EventSuperseded, store.EventReleased, store.EventSuperseded}, kinds(events(t, s, "w")))
	require.Equal(t, 2, purge(t, s, time.Time{}, after(5), 10))
}

func heldPurged(t *testing.T, s store.Store) {
	insert(t, s, "w", delivery("h", "w", held("q", after(5))))
	require.NoError(t, s.Cancel(t.Context(), "w", 0, "", after(1)))
	require.Zero(t, purge(t, s, after(99), after(99), 10))
	release(t, s, after(9), "h")
	require.Zero(t, purge(t, s, after(99), after(99), 10))
	settle(t, s, "h", store.Delivered, after(10))
	require.Equal(t, 2, purge(t, s, after(99), after(99), 10))
}

func heldListed(t *testing.T, s store.Store) {
	for i, id := range numbered("d", 230) {
		d := delivery(id, "w-"+id)
		switch i % 3 {
		case 1:
			d = delivery(id, "w-"+id, held("q", after(5)))
		case 2:
			d = delivery(id, "w-"+id, settled(store.Dead, after(1)))
		}
		insert(t, s, d.WatchID, d)
	}
	var oldest, newest []string
	for i, id := range numbered("d", 230) {
		if i%3 < 2 {
			oldest, newest = append(oldest, id), append([]string{id}, newest...)
		}
	}
	list := func(f store.Filter) []string { return deliveryIDs(listDeliveries(t, s, f)) }
	require.Equal(t, oldest, list(store.Filter{State: "pending"}))
	for _, limit := range []int{1, 2, 100, 101, 999} {
		require.Equal(t, newest[:min(limit, len(newest))], list(store.Filter{State: "pending", Limit: limit}))
	}
	require.Equal(t, []string{"d000", "d001"}, list(store.Filter{State: "pending", IDs: []string{"d001", "d000", "d002"}}))
	require.Equal(t, []string{"d001", "d000"}, list(store.Filter{State: "pending", IDs: []string{"d001", "d000", "d002"}, Limit: 5}))
	require.Equal(t, []string{"d001"}, list(store.Filter{State: "held", IDs: []string{"d001", "d000"}}))
	require.Len(t, list(store.Filter{State: "held"}), 77)
	require.Len(t, list(store.Filter{}), 230)
}

func heldFound(t *testing.T, s store.Store) {
	ids := numbered("d", 600)
	slices.Reverse(ids)
	var all []store.Delivery
	for _, id := range ids {
		all = append(all, delivery(id, "w", held("q", after(5))))
	}
	insert(t, s, "w", all...)
	for _, n := range []int{1, 3, 512, 600} {
		found, err := s.DeliveriesOf(t.Context(), append([]string{ids[n-1], "none", "none"}, ids[:n]...))
		require.NoError(t, err)
		require.Equal(t, ids[:n], deliveryIDs(found), "in order of creation")
	}
	found, err := s.DeliveriesOf(t.Context(), ids[:1])
	require.NoError(t, err)
	equal(t, all[:1], found)
	found, err = s.DeliveriesOf(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, found)
}
