package executor_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// datedAdmin lists only what changed since, as flyteadmin does.
type datedAdmin struct {
	*fakeAdmin
	mu      sync.Mutex
	changed map[string]time.Time
}

func (a *datedAdmin) change(name, phase string) {
	a.set(name, phase)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed[name] = time.Now()
}

func (a *datedAdmin) List(ctx context.Context, s flyte.Scope, names []string, since time.Time) ([]flyte.Row, error) {
	rows, err := a.fakeAdmin.List(ctx, s, names, since)
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(rows, func(r flyte.Row) bool { return a.changed[r.Name].Before(since) }), err
}

// slowStore takes a while for its first Move.
type slowStore struct {
	*sqlite.Store
	once  atomic.Bool
	begun chan struct{}
	takes time.Duration
}

func (s *slowStore) Move(ctx context.Context, t store.Transition) error {
	if s.once.CompareAndSwap(false, true) {
		close(s.begun)
		<-time.After(s.takes)
	}
	return s.Store.Move(ctx, t)
}

// An execution changes right after its first look has read it, and the store is slow to take what was
// read: by then, no read by time tells of the change any more.
func TestAChangeDuringASlowFirstLookIsTold(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		admin := &datedAdmin{fakeAdmin: b.admin, changed: map[string]time.Time{}}
		slow := &slowStore{Store: b.store, begun: make(chan struct{}), takes: 20 * time.Second}
		b.exec, b.stop = b.execute(func(o *executor.Options) { o.Store, o.Admin, o.Config.Feed.Sweep = slow, admin, time.Hour })
		admin.change("other", "RUNNING")
		admin.change("quick", "RUNNING")
		b.rounds(2)
		w := b.register("quick", []spec.Rule{onPhases("end", "SUCCEEDED")})
		<-slow.begun
		admin.change("quick", "SUCCEEDED")
		b.pass(time.Minute)
		require.Equal(b.t, "SUCCEEDED", b.watch(w.ID).Phase)
		require.Len(b.t, b.told(w.ID), 1)
	})
}

// A sweep that comes upon a watch before its first look does so by chance: no read by time missed it.
func TestAFreshWatchIsNoFindOfTheSweep(t *testing.T) {
	run(t, func(b *bench) {
		b.stop()
		admin := &datedAdmin{fakeAdmin: b.admin, changed: map[string]time.Time{}}
		b.exec, b.stop = b.execute(func(o *executor.Options) {
			o.Admin, o.Config.Feed.Interval, o.Config.Feed.Sweep, o.Config.Feed.Overlap = admin, 10*time.Second, 10*time.Second, time.Second
		})
		admin.change("other", "RUNNING")
		admin.change("quick", "RUNNING")
		b.register("other", []spec.Rule{onPhases("end", "SUCCEEDED")})
		for range 10 { // at some time between two rounds
			b.pass(11 * time.Second)
			w, err := b.store.Register(b.t.Context(), b.prepare("quick", []spec.Rule{onPhases("r", "RUNNING")}, func(w *store.Watch) {
				w.ID = time.Now().String()
			}))
			require.NoError(b.t, err)
			b.pass(time.Minute)
			require.Len(b.t, b.told(w.ID), 1)
		}
		require.Zero(b.t, b.exec.Stats().SweepFinds)
	})
}
