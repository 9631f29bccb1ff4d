package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// Deliveries whose WatchID no watch has, as those of a group of executions.
func unwatchedCases() []testCase {
	return []testCase{
		{"deliveries without a watch keep their order", unwatchedOrder},
		{"deliveries without a watch go through all states", unwatchedLife},
		{"deliveries without a watch are purged", unwatchedPurged},
		{"a watch may have such an id in the end", unwatchedRegistered},
		{"of many that insert and settle none is forgotten", unwatchedRaces},
	}
}

// add does a change with deliveries.
func add(t *testing.T, s store.Store, all ...store.Delivery) {
	t.Helper()
	require.NoError(t, s.Write(t.Context(), store.Change{At: start(), Deliveries: all}))
}

func unwatchedOrder(t *testing.T, s store.Store) {
	add(t, s, delivery("a", "g"), delivery("b", "g"), delivery("mail", "g", to("mail", "x")), delivery("other", "h"))
	add(t, s, delivery("a", "g"), delivery("c", "g"))
	require.Len(t, listDeliveries(t, s, store.Filter{}), 5)
	require.Equal(t, []string{"a", "other"}, dueIDs(t, s, lane(), start(), 10))
	for _, id := range []string{"a", "b", "c"} {
		require.Equal(t, []string{id}, dueIDs(t, s, lane(), start(), 1))
		begin(t, s, id, 0, start())
		require.NoError(t, s.Settle(t.Context(), id, store.Outcome{
			Attempt: 1, State: store.Delivered, At: after(1), Event: store.Event{At: after(1), Kind: "delivered"},
		}))
		if id == "a" {
			settle(t, s, "other", store.Dead, after(1))
		}
	}
	_, err := s.Watch(t.Context(), "g")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Empty(t, events(t, s, "g"))
	all, err := s.WatchDeliveries(t.Context(), "g")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "mail", "c"}, deliveryIDs(all))
}

func unwatchedLife(t *testing.T, s store.Store) {
	add(t, s, delivery("a", "g"), delivery("h", "g", held("q", after(5))), delivery("b", "g"))
	begin(t, s, "a", 0, after(1))
	recoverAll(t, s, after(2), map[string]time.Time{"a": after(1)})
	begin(t, s, "a", 1, after(3))
	settle(t, s, "a", store.Dead, after(4))
	release(t, s, after(5), "h")
	require.Equal(t, []string{"h"}, dueIDs(t, s, lane(), after(5), 10))
	refused, err := s.Redrive(t.Context(), []string{"a"}, after(6))
	require.NoError(t, err)
	require.Empty(t, refused)
	require.Equal(t, []string{"a"}, dueIDs(t, s, lane(), after(6), 10))
	supersede(t, s, after(7), "a", "h")
	require.Equal(t, []string{"h"}, dueIDs(t, s, lane(), after(7), 10), "what was held stands for others perhaps")
	begin(t, s, "h", 0, after(8))
	settle(t, s, "h", store.Delivered, after(8))
	require.Equal(t, []string{"b"}, dueIDs(t, s, lane(), after(8), 10))
}

func unwatchedPurged(t *testing.T, s store.Store) {
	add(t, s, delivery("a", "g", settled(store.Dead, after(1))), delivery("p", "g"), delivery("b", "h", settled(store.Dead, after(1))))
	require.Equal(t, 2, purge(t, s, after(5), after(5), 10))
	require.Equal(t, []string{"p"}, deliveryIDs(listDeliveries(t, s, store.Filter{})))
	add(t, s, delivery("q", "g"), delivery("c", "h"))
	require.Equal(t, []string{"p", "c"}, dueIDs(t, s, lane(), after(5), 10))
	for _, id := range []string{"p", "q", "c"} {
		settle(t, s, id, store.Delivered, after(2))
	}
	require.Equal(t, 3, purge(t, s, after(5), after(5), 10))
	require.Zero(t, purge(t, s, after(5), after(5), 10))
	add(t, s, delivery("d", "g"))
	require.Equal(t, []string{"d"}, dueIDs(t, s, lane(), after(5), 10))
}

func unwatchedRegistered(t *testing.T, s store.Store) {
	add(t, s, delivery("a", "w"))
	w := register(t, s, watch("w"))
	require.Equal(t, store.Active, w.State)
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{delivery("b", "w")}}}))
	require.Equal(t, []string{"a"}, dueIDs(t, s, lane(), after(5), 10))
	require.NoError(t, s.Cancel(t.Context(), "w", 0, "", after(1)))
	for _, id := range []string{"a", "b"} {
		settle(t, s, id, store.Dead, after(1))
	}
	require.Equal(t, 3, purge(t, s, after(5), after(5), 10))
	require.Equal(t, store.Ended, readWatch(t, s, "w").State)
	add(t, s, delivery("c", "w"))
	require.Empty(t, listDeliveries(t, s, store.Filter{}), "it was purged")
}

// unwatchedRaces settles the first of a lane while others come: there is always one to send, until all are.
func unwatchedRaces(t *testing.T, s store.Store) {
	const groups, each = 3, 30
	together(t, 2*groups, func(n int) error {
		id := fmt.Sprint("g", n%groups)
		for i := range each {
			if n >= groups {
				d := delivery(fmt.Sprintf("%s-%d", id, i), id, to("team", id))
				if err := s.Write(t.Context(), store.Change{At: start(), Deliveries: []store.Delivery{d}}); err != nil {
					return err
				}
				continue
			}
			due, err := s.Due(t.Context(), store.Lane{Connection: "team", Address: id}, start(), 10)
			if err != nil {
				return err
			}
			if len(due) > 1 {
				return fmt.Errorf("%d deliveries of %s are the first", len(due), id)
			}
			for _, d := range due {
				if err := s.Settle(t.Context(), d.ID, store.Outcome{State: store.Dead, At: after(i)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for g := range groups {
		l := store.Lane{Connection: "team", Address: fmt.Sprint("g", g)}
		for due := dueIDs(t, s, l, start(), 10); len(due) > 0; due = dueIDs(t, s, l, start(), 10) {
			require.Len(t, due, 1)
			settle(t, s, due[0], store.Dead, after(1))
		}
	}
	require.Empty(t, listDeliveries(t, s, store.Filter{State: "pending"}))
	require.Len(t, listDeliveries(t, s, store.Filter{}), groups*each)
}
