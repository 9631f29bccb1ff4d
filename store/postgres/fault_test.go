package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flyte-notifier/flyte-notifier/internal/pgtest"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// writing registers watches from many callers until stop is called, which returns the ids that were
// acknowledged.
func writing(t *testing.T, s store.Store) (stop func() []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var acknowledged []string
	var group sync.WaitGroup
	for caller := range 8 {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("w-%d-%d", caller, n)
				if _, err := s.Register(ctx, testWatch(id)); err == nil {
					mu.Lock()
					acknowledged = append(acknowledged, id)
					mu.Unlock()
				}
			}
		})
	}
	return func() []string {
		cancel()
		group.Wait()
		return acknowledged
	}
}

// eventually waits until the store writes again.
func eventually(t *testing.T, s store.Store) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Ping(t.Context()) == nil }, time.Minute, 20*time.Millisecond)
}

func requireAll(t *testing.T, s store.Store, ids []string) {
	t.Helper()
	require.NotEmpty(t, ids)
	found := 0
	require.NoError(t, s.Watches(t.Context(), store.Filter{IDs: ids}, func(store.Watch) error { found++; return nil }))
	require.Equal(t, len(ids), found, "what was acknowledged is there")
}

func TestServerRestartsAmidWrites(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	s := openAt(t, server.Database(t))
	for _, mode := range []pgtest.Mode{pgtest.Fast, pgtest.Immediate, pgtest.Killed} {
		stop := writing(t, s)
		require.NoError(t, server.Stop(mode))
		var err error
		require.Eventually(t, func() bool { // a killed server's backends go on for a moment
			_, err = s.Watch(t.Context(), "w-0-0")
			return err != nil && s.Ping(t.Context()) != nil
		}, time.Minute, 20*time.Millisecond)
		require.NotErrorIs(t, err, store.ErrNotFound, "a store that is away does not know what it holds")
		require.NoError(t, server.Start(t.Context()))
		eventually(t, s)
		insert(t, s, fmt.Sprint("after-", mode))
		requireAll(t, s, stop())
	}
}

func TestStandbyTakesOverAmidWrites(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	standby, err := server.Standby(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = standby.Close() })
	s := openAt(t, pgtest.URL("", server, standby))
	m, err := s.Join(t.Context())
	require.NoError(t, err)
	stop := writing(t, s)
	insert(t, s, "before")
	require.NoError(t, server.Stop(pgtest.Killed))
	require.NoError(t, standby.Promote(t.Context()))
	eventually(t, s)
	insert(t, s, "after")
	requireAll(t, s, append(stop(), "before", "after"))
	_, _, err = m.Hold(t.Context(), nil)
	require.Error(t, err, "what the lost server knew of members is over")
	m, err = s.Join(t.Context())
	require.NoError(t, err)
	_, members, err := m.Hold(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, members)
}

// TestDemotedServerIsLeft has connections to a server that only reads, as one that came back as a standby.
func TestDemotedServerIsLeft(t *testing.T) {
	t.Parallel()
	url := empty(t)
	conn := connect(t, url)
	alter := "ALTER DATABASE " + value[string](t, conn, "SELECT current_database()")
	run(t, conn, alter+" SET default_transaction_read_only = on") // of connections from now on
	s := openAt(t, url)
	_, err := s.Register(t.Context(), testWatch("w"))
	require.ErrorContains(t, err, "read-only")
	require.ErrorContains(t, s.Ping(t.Context()), "read-only")
	run(t, conn, "BEGIN READ WRITE; "+alter+" RESET default_transaction_read_only; COMMIT")
	eventually(t, s)
	_, err = s.Register(t.Context(), testWatch("w"))
	require.NoError(t, err)
}

// TestOneWriteFailsAlone has a batch in which some writes fail by what they write: the others are done, and
// nothing of those is left.
func TestOneWriteFailsAlone(t *testing.T) {
	t.Parallel()
	url := empty(t)
	s, conn := openAt(t, url), connect(t, url)
	run(t, conn, `CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF NEW.id LIKE 'poison%' THEN RAISE 'this one is poison'; END IF; RETURN NEW; END $$`)
	run(t, conn, "CREATE TRIGGER poison BEFORE INSERT ON flyte_notifier.deliveries FOR EACH ROW EXECUTE FUNCTION poison()")
	var watches []store.Watch
	for i := range 40 {
		w, err := s.Register(t.Context(), testWatch(fmt.Sprint(i)))
		require.NoError(t, err)
		watches = append(watches, w)
	}
	thaw := freeze(t, url, "watches") // so that they gather
	var group errgroup.Group
	for i, w := range watches {
		group.Go(func() error {
			w.Phase = "FAILED"
			good, bad := testDelivery(w.ID), testDelivery(w.ID)
			bad.ID = "poison-" + w.ID
			if i%20 != 0 {
				return s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{good}}})
			}
			err := s.Move(t.Context(), store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{good, bad}}})
			if err == nil || !strings.Contains(err.Error(), "this one is poison") {
				return fmt.Errorf("a poisoned move came to %w", err)
			}
			return nil
		})
	}
	thaw()
	require.NoError(t, group.Wait())
	for i, w := range watches {
		stored, err := s.Watch(t.Context(), w.ID)
		require.NoError(t, err)
		deliveries, err := s.WatchDeliveries(t.Context(), w.ID)
		require.NoError(t, err)
		require.Equal(t, i%20 != 0, stored.Phase == "FAILED")
		require.Equal(t, i%20 != 0, len(deliveries) == 1)
	}
}

// TestLockedRowHoldsUpNoOther has an operator who forgot to end a transaction.
func TestLockedRowHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	url := empty(t)
	s, conn := openAt(t, url), connect(t, url)
	var watches []store.Watch
	for i := range 10 {
		w, err := s.Register(t.Context(), testWatch(fmt.Sprint(i)))
		require.NoError(t, err)
		watches = append(watches, w)
	}
	run(t, conn, "BEGIN")
	run(t, conn, "UPDATE flyte_notifier.watches SET reason = 'by hand' WHERE id = '3'")
	var group errgroup.Group
	for _, w := range watches {
		group.Go(func() error {
			err := s.Move(t.Context(), store.Transition{Watch: w})
			if (err != nil) != (w.ID == "3") {
				return fmt.Errorf("watch %s: %w", w.ID, err)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	run(t, conn, "ROLLBACK")
	require.NoError(t, s.Move(t.Context(), store.Transition{Watch: watches[3]}))
}

func TestCallersGiveUpInTheQueue(t *testing.T) {
	t.Parallel()
	url := empty(t)
	s := openAt(t, url)
	thaw := freeze(t, url, "watches")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			if _, err := s.Register(ctx, testWatch(fmt.Sprint("w", i))); err == nil {
				return fmt.Errorf("watch %d was written while the table was away", i)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	thaw()
	_, err := s.Register(t.Context(), testWatch("w"))
	require.NoError(t, err)
}

func TestDamagedRowHidesNoOther(t *testing.T) {
	t.Parallel()
	url := empty(t)
	s, conn, ctx := openAt(t, url), connect(t, url), t.Context()
	for _, id := range []string{"a", "b", "c"} {
		w, err := s.Register(ctx, testWatch(id))
		require.NoError(t, err)
		d := testDelivery(id)
		d.Receipt = notifier.Receipt{"ts": "1.2"}
		require.NoError(t, s.Move(ctx, store.Transition{Watch: w, Change: store.Change{Deliveries: []store.Delivery{d}}}))
	}
	run(t, conn, `UPDATE flyte_notifier.watches SET outputs = '["phase', custom = '{"rules":' WHERE id = 'b'`)
	run(t, conn, "UPDATE flyte_notifier.deliveries SET receipt = 'x', content = '{' WHERE id = 'd-b'")

	_, err := s.Watch(ctx, "b")
	require.ErrorContains(t, err, "b: column outputs is damaged")
	_, err = s.Register(ctx, testWatch("b"))
	require.ErrorContains(t, err, "b: column outputs is damaged")
	_, err = s.Watch(ctx, "a")
	require.NoError(t, err)
	fresh, err := s.Fresh(ctx, store.Follow, 10)
	require.NoError(t, err)
	require.Len(t, fresh, 3)
	require.Equal(t, testWatch("b").Execution, fresh[1].Execution, "the rest of the row is there")
	due, err := s.Due(ctx, testLane(), testTime(), 10)
	require.NoError(t, err)
	require.Len(t, due, 3)
	seen := 0
	require.NoError(t, s.Deliveries(ctx, store.Filter{}, func(d store.Delivery) error {
		seen++
		require.Equal(t, d.ID != "d-b", len(d.Receipt) == 1)
		return nil
	}))
	require.Equal(t, 3, seen)

	require.NoError(t, s.Cancel(ctx, "b", 0, "aborted", testTime()))
	_, err = s.Begin(ctx, "d-b", 0, testTime(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Settle(ctx, "d-b", store.Outcome{Attempt: 1, State: store.Delivered, At: testTime(), Receipt: notifier.Receipt{"ts": "3"}}))
}

// TestIdsOfNoLetters asks with what Postgres refuses as a text.
func TestIdsOfNoLetters(t *testing.T) {
	t.Parallel()
	s := openAt(t, empty(t))
	for _, id := range []string{"nul \x00", "\xff", "half \xe4\xb8"} {
		_, err := s.Watch(t.Context(), id)
		require.ErrorIs(t, err, store.ErrNotFound)
		insert(t, s, id)
		w, err := s.Watch(t.Context(), id)
		require.NoError(t, err)
		again, err := s.Register(t.Context(), testWatch(id))
		require.NoError(t, err)
		require.Equal(t, w.ID, again.ID)
		_, err = s.Events(t.Context(), id, 0, 10)
		require.NoError(t, err)
		_, err = s.Begin(t.Context(), "d-"+id, 0, testTime(), []store.Rate{{Bucket: id, PerSecond: 1, Burst: 1}})
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), "d-"+id, store.Outcome{Attempt: 1, State: store.Dead, At: testTime()}))
		refused, err := s.Redrive(t.Context(), []string{"d-" + id}, testTime())
		require.NoError(t, err)
		require.Empty(t, refused)
		_, err = s.Names(t.Context(), flyteShard(), testTime(), id, 10)
		require.NoError(t, err)
	}
}
