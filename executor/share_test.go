package executor_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/flyte"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
	"github.com/flyte-notifier/flyte-notifier/store/sqlite"
)

// cluster shares shards between the servers of one store, as an engine of several servers does.
type cluster struct {
	mu      sync.Mutex
	members []*member
	holder  map[flyte.Shard]*member
	greedy  bool // everybody holds everything, as for a moment when a server is cut off
}

// member is one server's store, and its part in the watching.
type member struct {
	*sqlite.Store
	c      *cluster
	broken error // of Join and Hold
	hangs  bool  // Shards does
	joins  int
	moves  int
	left   time.Time
}

func newCluster() *cluster { return &cluster{holder: map[flyte.Shard]*member{}} }

func (m *member) Join(context.Context) (store.Membership, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.joins++
	if m.broken != nil {
		return nil, m.broken
	}
	m.c.members = append(m.c.members, m)
	return m, nil
}

// Shards may hang, as where all connections for reads are in use.
func (m *member) Shards(ctx context.Context) ([]flyte.Shard, error) {
	m.c.mu.Lock()
	hangs := m.hangs
	m.c.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.Store.Shards(ctx)
}

func (m *member) hang(hangs bool) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.hangs = hangs
}

func (m *member) Hold(ctx context.Context, all []flyte.Shard) (held []flyte.Shard, members int, err error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if err := cmp.Or(m.broken, ctx.Err()); err != nil {
		m.c.drop(m)
		return nil, 0, err
	}
	if m.c.greedy {
		return all, len(m.c.members), nil
	}
	fair := (len(all) + len(m.c.members) - 1) / len(m.c.members)
	for _, s := range all {
		switch holder := m.c.holder[s]; {
		case holder == m && len(held) >= fair:
			delete(m.c.holder, s)
		case holder == m || holder == nil && len(held) < fair:
			m.c.holder[s] = m
			held = append(held, s)
		}
	}
	return held, len(m.c.members), nil
}

func (m *member) Leave() {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.left = time.Now()
	m.c.drop(m)
}

func (c *cluster) drop(m *member) {
	c.members = slices.DeleteFunc(c.members, func(o *member) bool { return o == m })
	for s, holder := range c.holder {
		if holder == m {
			delete(c.holder, s)
		}
	}
}

// Move counts.
func (m *member) Move(ctx context.Context, t store.Transition) error {
	err := m.Store.Move(ctx, t)
	if err == nil {
		m.c.mu.Lock()
		m.moves++
		m.c.mu.Unlock()
	}
	return err
}

func (m *member) fail(err error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.broken = err
}

func (m *member) did() (joins, moves int) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return m.joins, m.moves
}

// server is one of several executors on one store.
type server struct {
	*member
	exec *executor.NotifierExecutor
	stop func()
}

// serve runs one more server until its stop, or until the test ends.
func (b *bench) serve(c *cluster, edit ...func(*executor.Options)) *server {
	s := &server{member: &member{Store: b.store, c: c}}
	s.exec, s.stop = b.execute(append([]func(*executor.Options){func(o *executor.Options) { o.Store = s.member }}, edit...)...)
	b.t.Cleanup(s.stop)
	return s
}

// share runs a test in a bubble without an executor of its own.
func share(t *testing.T, test func(b *bench, c *cluster)) {
	run(t, func(b *bench) {
		b.stop()
		test(b, newCluster())
	})
}

// scopes registers watches in several scopes, through one server; all run.
func (b *bench) scopes(through *server, n int, edits ...func(*store.Watch)) (all []store.Watch) {
	for i := range n {
		w := b.prepare(fmt.Sprintf("f%d", i), []spec.Rule{onPhases("failed", "FAILED")})
		w.Execution.Project = fmt.Sprintf("p%d", i%5)
		for _, edit := range edits {
			edit(&w)
		}
		b.admin.put(w.Execution, "RUNNING")
		w, err := b.store.Register(b.t.Context(), w)
		require.NoError(b.t, err)
		through.exec.Wake(w)
		all = append(all, w)
	}
	b.pass(time.Second)
	return all
}

// toldOnce asks that of every watch its failure was told, once.
func (b *bench) toldOnce(all []store.Watch) {
	b.t.Helper()
	for _, w := range all {
		require.Equal(b.t, []string{"failed phase:FAILED"}, b.told(w.ID), w.Execution)
		require.Equal(b.t, store.Ended, b.watch(w.ID).State)
	}
}

func TestServersShareTheWatching(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one, two := b.serve(c), b.serve(c)
		b.pass(time.Second)
		all := b.scopes(one, 20)
		b.rounds(3)
		require.Len(b.t, append(one.exec.Stats().Shards, two.exec.Stats().Shards...), 5)
		require.NotEmpty(b.t, one.exec.Stats().Shards)
		require.NotEmpty(b.t, two.exec.Stats().Shards)
		_, before := two.did()
		for _, w := range all {
			b.admin.put(w.Execution, "FAILED")
		}
		b.rounds(1)
		b.toldOnce(all)
		_, after := two.did()
		require.Greater(b.t, after, before, "the other one moved some")
	})
}

func TestAServerLooksAtOnceAtWhatWasRegisteredThroughIt(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one := b.serve(c)
		b.pass(time.Second)
		b.scopes(one, 5)
		two := b.serve(c, func(o *executor.Options) { o.Config.Feed.Interval = time.Hour })
		b.pass(3 * time.Second)
		w := b.prepare("new", []spec.Rule{onPhases("r", "RUNNING")})
		b.admin.put(w.Execution, "RUNNING")
		w, err := b.store.Register(b.t.Context(), w)
		require.NoError(b.t, err)
		two.exec.Wake(w)
		synctest.Wait()
		require.Equal(b.t, []string{"r phase:RUNNING"}, b.told(w.ID), "whoever holds its shard")
	})
}

func TestWhatADeadServerHadAcceptedIsSeenToByOthers(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		b.serve(c)
		b.pass(time.Second)
		follow := b.prepare("f1", []spec.Rule{onPhases("r", "RUNNING")})
		b.admin.put(follow.Execution, "RUNNING")
		send := b.prepareSend("f1")
		for _, w := range []store.Watch{follow, send} { // nobody is told: who took them is dead
			_, err := b.store.Register(b.t.Context(), w)
			require.NoError(b.t, err)
		}
		b.pass(interval - 100*time.Millisecond)
		require.Empty(b.t, b.told(send.ID), "it may be at work")
		b.pass(interval + time.Second)
		require.Equal(b.t, []string{"r phase:RUNNING"}, b.told(follow.ID))
		require.Equal(b.t, []string{"send send"}, b.told(send.ID))
	})
}

func TestAFreshWatchIsLookedAtByItsShardsHolder(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one := b.serve(c)
		b.serve(c)
		b.pass(time.Second)
		w := b.prepare("forged", []spec.Rule{onPhases("r", "RUNNING")})
		_, err := b.store.Register(b.t.Context(), w)
		require.NoError(b.t, err)
		one.exec.Wake(w)
		b.pass(20 * time.Second)
		require.Less(b.t, b.admin.calls(), 27, "rounds and looks of one of them")
		b.pass(20 * time.Second)
		require.Equal(b.t, store.Lost, b.watch(w.ID).State)
	})
}

func TestAServerThatStopsLeavesFirst(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one, two := b.serve(c), b.serve(c)
		b.pass(time.Second)
		all := b.scopes(one, 10)
		b.rounds(2)
		b.admin.delay(9 * time.Second) // calls that one waits for while it stops
		b.pass(2 * time.Second)
		began := time.Now()
		one.stop()
		require.Equal(b.t, began, one.left)
		b.admin.delay(0)
		for _, w := range all {
			b.admin.put(w.Execution, "FAILED")
		}
		b.pass(5*time.Second + 9*time.Second)
		require.Len(b.t, two.exec.Stats().Shards, 5)
		b.toldOnce(all)
	})
}

func TestAServerThatIsCutOffHoldsNothingAndJoinsAgain(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one, two := b.serve(c), b.serve(c)
		b.pass(time.Second)
		all := b.scopes(one, 10)
		b.rounds(2)
		one.fail(errors.New("connection reset"))
		b.pass(5 * time.Second)
		require.Empty(b.t, one.exec.Stats().Shards)
		require.Len(b.t, two.exec.Stats().Shards, 5)
		for _, w := range all {
			b.admin.put(w.Execution, "FAILED")
		}
		b.rounds(1)
		b.toldOnce(all)
		before, _ := one.did()
		b.pass(time.Minute)
		joins, _ := one.did()
		require.Less(b.t, joins-before, 30, "it does not hammer the store")
		one.fail(nil)
		b.pass(10 * time.Second)
		require.NotEmpty(b.t, one.exec.Stats().Shards)
	})
}

func TestAServerKeepsItsShardsWhileTheyCannotBeFound(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one := b.serve(c)
		b.pass(time.Second)
		all := b.scopes(one, 10)
		b.rounds(2)
		one.hang(true)
		b.pass(30 * time.Second)
		require.Len(b.t, one.exec.Stats().Shards, 5)
		for _, w := range all {
			b.admin.put(w.Execution, "FAILED")
		}
		b.rounds(1)
		b.toldOnce(all)
		joins, _ := one.did()
		require.Equal(b.t, 1, joins)
	})
}

func TestTwoHoldersOfEverythingDoNoHarm(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		c.greedy = true
		one := b.serve(c)
		b.serve(c)
		b.pass(time.Second)
		all := b.scopes(one, 12)
		for i, phase := range []string{"QUEUED", "RUNNING", "FAILING", "RUNNING", "FAILED"} {
			for _, w := range all[i:] {
				b.admin.put(w.Execution, phase)
			}
			b.admin.delay(time.Duration(i%2) * 300 * time.Millisecond)
			b.pass(3*time.Second + 700*time.Millisecond)
		}
		for _, w := range all {
			b.admin.put(w.Execution, "FAILED")
		}
		b.rounds(4)
		b.toldOnce(all)
	})
}

func TestALargeScopeIsSplit(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one := b.serve(c, func(o *executor.Options) { o.Config.ShardNames = 10 })
		b.pass(time.Second)
		var all []store.Watch
		for i := range 60 {
			w := b.prepare(fmt.Sprintf("f%d", i), []spec.Rule{onPhases("failed", "FAILED")})
			b.admin.put(w.Execution, "RUNNING")
			w, err := b.store.Register(b.t.Context(), w)
			require.NoError(b.t, err)
			one.exec.Wake(w)
			all = append(all, w)
		}
		b.rounds(3)
		stats := one.exec.Stats()
		require.GreaterOrEqual(b.t, len(stats.Shards), 8, "60 names, 10 a shard")
		names := 0
		for _, s := range stats.Shards {
			names += s.Names
		}
		require.Equal(b.t, 60, names)
		require.Zero(b.t, stats.Errors)
		for _, w := range all {
			b.admin.put(w.Execution, "FAILED")
		}
		b.rounds(1)
		b.toldOnce(all)
	})
}

func TestTheFeedOfAnEmptyScopeEnds(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one := b.serve(c)
		b.pass(time.Second)
		all := b.scopes(one, 1)
		b.rounds(1)
		require.Len(b.t, one.exec.Stats().Shards, 1)
		require.NoError(b.t, b.store.Cancel(b.t.Context(), all[0].ID, 0, "aborted", time.Now()))
		b.rounds(1)
		require.Empty(b.t, one.exec.Stats().Shards)
		calls := b.admin.calls()
		b.pass(time.Minute)
		require.Equal(b.t, calls, b.admin.calls())
		more := b.scopes(one, 1, func(w *store.Watch) { w.Attempt = 1 }) // which opens it again
		b.rounds(1)
		require.Len(b.t, one.exec.Stats().Shards, 1, "%s is back", more[0].Execution.Scope)
	})
}

func TestNodesAreLookedAtByTheirShardsHolder(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		servers := []*server{b.serve(c), b.serve(c)}
		b.pass(time.Second)
		var all []store.Watch
		for i := range 10 {
			w := b.prepare(fmt.Sprintf("f%d", i), []spec.Rule{onPhases("r", "FAILED")})
			w.Execution.Project, w.Node = fmt.Sprintf("p%d", i%2), "n2"
			b.admin.put(w.Execution, "RUNNING")
			w, err := b.store.Register(b.t.Context(), w)
			require.NoError(b.t, err)
			servers[0].exec.Wake(w)
			all = append(all, w)
		}
		b.pass(30 * time.Second)
		before := b.admin.nodeReads()
		b.pass(50 * time.Second)
		require.InDelta(b.t, 10*50/10, b.admin.nodeReads()-before, 20, "each once in ten seconds, by one of them")
		b.admin.setNode(flyte.Node{ID: "n2", Phase: "FAILED"})
		b.pass(11 * time.Second)
		for _, w := range all {
			require.Equal(b.t, []string{"r phase:FAILED"}, b.told(w.ID))
		}
	})
}
