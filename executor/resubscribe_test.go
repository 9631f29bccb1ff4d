package executor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/executor"
	"github.com/flyte-notifier/flyte-notifier/spec"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// goBy makes a server go by subscriptions.
func (b *bench) goBy(s *server, all ...spec.Subscription) {
	require.NoError(b.t, s.exec.Subscribe(b.t.Context(), executor.Rules{Subscriptions: all}))
}

// born is when the subscription a was born; zero if it is not there.
func (b *bench) born() time.Time {
	born, err := executor.Born(b.t.Context(), b.store, "a")
	require.NoError(b.t, err)
	return born
}

// A server with an old config comes and goes, and nothing but its own config tells it that the subscription is
// another's.
func TestASubscriptionLivesOnThatAnotherServerLackedOnce(t *testing.T) {
	long(t)
	share(t, func(b *bench, c *cluster) {
		rules := to("a", onPhases("done", "SUCCEEDED"), when("first", spec.When{Kind: spec.WhenFirstFailure}))
		one := b.serve(c)
		b.goBy(one, rules)
		b.admin.set("f1", "RUNNING", of("nightly"), started)
		b.admin.set("f2", "FAILED", of("nightly"), started, ends)
		b.rounds(3)
		born := b.born()
		other := b.serve(c)
		b.goBy(other)
		b.pass(time.Second)
		other.stop()
		b.pass(75 * time.Minute)
		require.Equal(b.t, born, b.born(), "explain sees it")
		b.goBy(one, rules)
		b.rounds(3)
		require.Equal(b.t, born, b.born())
		b.admin.set("f3", "FAILED", of("nightly"), started, ends)
		b.rounds(3)
		b.admin.set("f1", "SUCCEEDED", ends)
		b.rounds(3)
		require.Equal(b.t, []string{"f2 first first_failure", "f1 done phase:SUCCEEDED"}, b.all(),
			"what it had met is its still, and its history goes on")
	})
}

// While configs differ for long, no subscription of one of them is over, and whose server takes a scope over looks at
// what the other one passed by.
func TestASubscriptionLivesOnThatAnotherServerLacksForLong(t *testing.T) {
	long(t)
	share(t, func(b *bench, c *cluster) {
		other, tests := b.serve(c), to("b", onPhases("failed", "FAILED"))
		tests.Match.Workflow = "test"
		b.goBy(other, tests)
		b.pass(3 * time.Second) // it holds the scope
		one := b.serve(c)
		b.goBy(one, to("a", onPhases("failed", "FAILED")))
		born := b.born()
		b.pass(80 * time.Minute)
		require.Equal(b.t, born, b.born())
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.pass(40 * time.Minute)
		require.Empty(b.t, b.all(), "who holds the scope passed it by")
		other.stop()
		b.rounds(3)
		require.Equal(b.t, []string{"f1 failed phase:FAILED"}, b.all())
	})
}

func TestASubscriptionThatNobodyHasAnyMoreIsForgotten(t *testing.T) {
	long(t)
	share(t, func(b *bench, c *cluster) {
		one, other := b.serve(c), b.serve(c)
		b.goBy(one, to("a", onPhases("failed", "FAILED")))
		b.pass(time.Minute)
		b.goBy(other)
		b.pass(20 * time.Minute)
		require.NotZero(b.t, b.born())
		one.stop()
		b.pass(2 * time.Hour)
		require.Zero(b.t, b.born())
		all, err := b.store.AllNotes(b.t.Context(), "subscription", "", 10)
		require.NoError(b.t, err)
		require.Empty(b.t, all, "no reload is needed for it")
	})
}

// Neither its server nor its store could say for long that it is there still.
func TestASubscriptionThatAServerGoesByIsNotOver(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		one, rules := b.serve(c), to("a", when("first", spec.When{Kind: spec.WhenFirstFailure}))
		b.goBy(one, rules)
		born := b.born()
		b.admin.set("f1", "FAILED", of("nightly"), started, ends)
		b.rounds(3)
		one.stop()
		other := b.serve(c)
		b.goBy(other)
		other.stop()
		b.pass(2 * time.Hour)
		require.Zero(b.t, b.born())
		b.goBy(one, rules)
		require.Equal(b.t, born, b.born())
		history, err := b.store.AllNotes(b.t.Context(), "series", "", 10)
		require.NoError(b.t, err)
		require.Len(b.t, history, 1, "it goes on")
	})
}

func TestAllHistoriesOfASubscriptionAreForgotten(t *testing.T) {
	share(t, func(b *bench, c *cluster) {
		m := &meddled{Store: &member{Store: b.store, c: c}, kind: "series"}
		one := b.serve(c, func(o *executor.Options) { o.Store = m })
		rules := to("a", when("first", spec.When{Kind: spec.WhenFirstFailure}))
		b.goBy(one, rules)
		for i := range 150 {
			b.admin.set(fmt.Sprint("f", i), "FAILED", of(fmt.Sprint("plan-", i)), started, ends)
		}
		b.rounds(3)
		series := func() int {
			all, err := b.store.AllNotes(b.t.Context(), "series", "", 1000)
			require.NoError(b.t, err)
			return len(all)
		}
		require.Equal(b.t, 150, series())
		b.goBy(one)
		one.stop()
		b.pass(2 * time.Hour)
		m.times.Store(9)
		err := one.exec.Subscribe(b.t.Context(), executor.Rules{})
		require.ErrorIs(b.t, err, store.ErrConflict)
		require.ErrorContains(b.t, err, "forget histories of subscription")
		require.NotZero(b.t, series())
		m.times.Store(2)
		b.goBy(one, rules) // which is born anew
		require.Zero(b.t, series())
	})
}
