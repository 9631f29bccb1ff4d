package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/store"
)

// TestNoTwoTransactionsWaitForEachOther has two servers that write to the same few rows in every way and in
// any order. Postgres counts those that did.
func TestNoTwoTransactionsWaitForEachOther(t *testing.T) {
	t.Parallel()
	url := empty(t)
	servers := []store.Store{openAt(t, url), openAt(t, url)}
	const watches = 12
	for i := range watches {
		insert(t, servers[0], fmt.Sprint(i))
	}
	var group errgroup.Group
	for caller := range 16 {
		s, rnd := servers[caller%2], rand.New(rand.NewPCG(1, uint64(caller)))
		group.Go(func() error {
			for n := range 25 {
				if err := anything(t, s, rnd, fmt.Sprint(rnd.IntN(watches)), n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for _, s := range servers {
		require.NoError(t, s.Close()) // connections that end tell their statistics
	}
	conn := connect(t, url)
	require.Zero(t, value[int64](t, conn, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
	require.Zero(t, value[int64](t, conn, `SELECT count(*) FROM (SELECT FROM flyte_notifier.deliveries WHERE state = 'pending'
		GROUP BY watch_id, connection, address HAVING count(*) FILTER (WHERE head) <> 1) wrong`), "each lane has one head")
	require.Zero(t, value[int64](t, conn, "SELECT count(*) FROM flyte_notifier.deliveries WHERE state <> 'pending' AND head"))
	counted := value[int64](t, conn, "SELECT sum(n)::bigint FROM flyte_notifier.counts WHERE what = 'deliveries'")
	require.Equal(t, value[int64](t, conn, "SELECT count(*) FROM flyte_notifier.deliveries"), counted)
}

// anything does one write to a watch. That somebody else was faster is no error.
func anything(t *testing.T, s store.Store, rnd *rand.Rand, id string, n int) error {
	w, err := s.Watch(t.Context(), id)
	if err != nil {
		return err
	}
	all, err := s.WatchDeliveries(t.Context(), id)
	if err != nil {
		return err
	}
	d := all[rnd.IntN(len(all))]
	rates := []store.Rate{{Bucket: fmt.Sprint(rnd.IntN(4)), PerSecond: 1e6, Burst: 1e6}, {Bucket: fmt.Sprint(rnd.IntN(4)), PerSecond: 1e6, Burst: 1e6}}
	switch rnd.IntN(12) {
	case 0, 1:
		more := testDelivery(id)
		more.ID = fmt.Sprintf("d-%s-%d-%d", id, n, rnd.Int())
		err = s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{more}}, Events: []store.Event{{At: testTime(), Kind: "phase"}}})
	case 2, 3:
		_, err = s.Begin(t.Context(), d.ID, d.Attempts, testTime(), rates)
	case 4:
		err = s.Settle(t.Context(), d.ID, store.Outcome{
			Attempt: d.Attempts, State: store.Dead, At: testTime(), Hold: testTime().Add(-time.Minute), Event: store.Event{At: testTime(), Kind: "dead"},
		})
	case 5:
		err = s.Settle(t.Context(), d.ID, store.Outcome{Attempt: d.Attempts, State: store.Pending, NextAt: testTime(), At: testTime(), LastError: "503"})
	case 6:
		_, err = s.Redrive(t.Context(), []string{d.ID, all[0].ID}, testTime())
	case 7:
		_, err = s.Register(t.Context(), func() store.Watch { w := testWatch(id); w.Attempt = uint32(n); return w }())
	case 8:
		var others []store.Delivery
		if others, err = s.WatchDeliveries(t.Context(), "none"); err == nil && len(others) > 0 {
			err = s.Settle(t.Context(), others[rnd.IntN(len(others))].ID, store.Outcome{State: store.Dead, At: testTime()})
		}
	default:
		err = s.Write(t.Context(), anyChange(t, s, rnd, id, all))
	}
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// anyChange is of some notes in any order, and of deliveries of a watch and of none.
func anyChange(t *testing.T, s store.Store, rnd *rand.Rand, id string, all []store.Delivery) store.Change {
	c := store.Change{At: testTime()}
	var keys []string
	for _, k := range rnd.Perm(6)[:1+rnd.IntN(4)] {
		keys = append(keys, fmt.Sprint("n", k))
	}
	there, err := s.Notes(t.Context(), "progress", keys)
	if err != nil {
		t.Error(err)
	}
	for _, key := range keys {
		n := store.Note{Kind: "progress", Key: key, WatchID: id, Due: testTime()}
		if i := slices.IndexFunc(there, func(n store.Note) bool { return n.Key == key }); i >= 0 {
			n = there[i]
			n.Removed = rnd.IntN(3) == 0
		}
		c.Notes = append(c.Notes, n)
	}
	for _, owner := range []string{id, "none", "nobody"} {
		d := testDelivery(owner)
		d.ID = fmt.Sprintf("c-%s-%d", owner, rnd.Int())
		if rnd.IntN(2) == 0 {
			d.State, d.Bundle, d.HeldUntil = store.Held, "quiet", testTime()
		}
		c.Deliveries = append(c.Deliveries, d)
	}
	for range rnd.IntN(4) {
		c.Superseded = append(c.Superseded, all[rnd.IntN(len(all))].ID)
	}
	if held, err := s.Held(t.Context(), "quiet", 10); err != nil {
		t.Error(err)
	} else if len(held) > 0 {
		c.Released = []store.Release{{ID: held[rnd.IntN(len(held))].ID}}
	}
	return c
}

// TestServersShareTokensAndAttempts has servers that begin all deliveries at the same time: the same ones, so that
// each attempt has one server, and others, so that each token is given once.
func TestServersShareTokensAndAttempts(t *testing.T) {
	t.Parallel()
	const servers, deliveries, burst = 6, 120, 90
	for name, apart := range map[string]int{"attempts": 0, "tokens": deliveries / servers} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := empty(t)
			first := openAt(t, url)
			for i := range deliveries {
				insert(t, first, fmt.Sprint(i))
			}
			var begun atomic.Int32
			var group errgroup.Group
			for n := range servers {
				s := openAt(t, url)
				group.Go(func() error {
					for i := range deliveries {
						rates := []store.Rate{{Bucket: "b", PerSecond: 0.001, Burst: burst}}
						wait, err := s.Begin(t.Context(), fmt.Sprint("d-", (i+n*apart)%deliveries), 0, testTime(), rates)
						if err == nil && wait == 0 {
							begun.Add(1)
						} else if err != nil && !errors.Is(err, store.ErrConflict) {
							return err
						}
					}
					return nil
				})
			}
			require.NoError(t, group.Wait())
			require.EqualValues(t, burst, begun.Load())
			conn := connect(t, url)
			require.EqualValues(t, burst, value[int64](t, conn, "SELECT sum(attempts)::bigint FROM flyte_notifier.deliveries WHERE attempts < 2"))
		})
	}
}
